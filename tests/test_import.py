"""``import lapt`` is light, and the wheel carries what it must and no tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lapt

PACKAGES = ("lapt", "storage", "tasks", "flows")
HEAVY = ("torch", "langchain", "prefect", "duckdb", "pyarrow")
MODULES = [
    ".".join(path.relative_to(Path(lapt.__file__).parents[1]).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(Path(lapt.__file__).parent.rglob("*.py"))
]
TORCH = (
    *("lapt.networks", "lapt.training.", "lapt.data.", "lapt.export", "lapt.search.models.neural"),
    "lapt.evaluators.zero_cost",
)
"""Modules that need torch. ``lapt.training``, its recipe and ``lapt.data.reading`` do not: configuration has them. What
reads image files does not either: ``lapt predict`` needs ONNX Runtime alone. Of a cell family, its networks and their
export do."""
LIGHT = [
    m
    for m in MODULES
    if not (m.startswith(TORCH) or (m.startswith("lapt.families") and {"networks", "export"} & {*m.split(".")}))
    or m in ("lapt.training.recipe", *(f"lapt.data.{name}" for name in ("reading", "facts", "pictures", "layout")))
]


def imported(code: str) -> list[str]:
    """Heavy packages in a fresh interpreter after ``code``."""
    report = f"import sys; {code}; print(sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return list(eval(done.stdout))


def test_no_module_of_the_domain_imports_what_it_may_not_need() -> None:
    assert imported("; ".join(f"import {module}" for module in LIGHT)) == []


def test_the_command_line_starts_without_prefect() -> None:
    assert imported("import flows.cli.app") == []


def test_the_import_check_can_fail() -> None:
    assert imported("import duckdb") == ["duckdb"]


@pytest.mark.integration
def test_the_wheel_carries_presets_and_no_tests(tmp_path: Path) -> None:
    root = Path(lapt.__file__).parents[1]
    command = [sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", str(tmp_path), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "lapt/presets/nas201.yaml" in names
    packed = zipfile.ZipFile(wheel).read("flows/prefect.yaml")
    assert packed == (root / "prefect.yaml").read_bytes(), "a link in a checkout, a file in the package"
    assert {"lapt/py.typed", "lapt/tables/digits.parquet", "lapt/reasoning/prompts/learn.md"} <= {*names}
    shipped = [path for package in PACKAGES for path in (root / package).rglob("*.*")]
    data = [path for path in shipped if path.suffix in (".jinja", ".md", ".parquet", ".sql", ".yaml")]
    assert {path.relative_to(root).as_posix() for path in data} <= {*names}
    assert {name.split("/")[0] for name in names} == {
        *PACKAGES, f"lapt-{lapt.__version__}.dist-info"
    }  # fmt: skip
