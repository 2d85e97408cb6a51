"""The documentation's links lead somewhere, its site has every page, and the code that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [path for folder in (".", "docs", "lapt/tables") for path in sorted((ROOT / folder).glob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs write them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    found = []
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", CODE.sub("", page.read_text(encoding="utf-8"))):
        path, _, part = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (part and part not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One head\n[a](#one-head) [b](page.md#no-head) [c](none.md) [d](https://e) `[f](g.md)`\n")
    assert broken(page) == ["page.md#no-head", "none.md"]


def pages_of(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        for inside in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages_of(inside) if isinstance(inside, list) else [str(inside)]


def test_the_site_has_every_page() -> None:
    listed = list(pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(listed) == len(set(listed))
    assert {path.relative_to(ROOT).as_posix() for path in PAGES} <= set(listed)


# --- the page on the architecture -------------------------------------------------------------------------------------
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\| (\d+) \| `([\w/.]+)` \| ([^|]+) \| ", ARCHITECTURE, re.MULTILINE)
BESIDE = re.findall(r"`([\w.]+)`\s+in\s+`([\w/]+\.py)`", ARCHITECTURE)
"""Names with their files, in the sentences."""


def defined(path: str) -> set[str]:
    """The names of a module's classes, functions and methods."""
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_there_are_ten_steps() -> None:
    assert [int(number) for number, _, _ in STEPS] == list(range(1, 11))
    assert len(BESIDE) >= 5


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for _, path, names in STEPS for name in re.findall(r"`([^`]+)`", names)]
    + [(path, name) for name, path in BESIDE],
)
def test_what_the_page_names_is_defined_there(path: str, name: str) -> None:
    assert name in defined(path)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+(?:\.py|/))`", ARCHITECTURE))))
def test_every_file_and_folder_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z]\w+(?:\.\w+)?)`", ARCHITECTURE))))
def test_every_class_and_method_is_there(name: str) -> None:
    modules = [path for package in ("lapt", "storage", "tasks", "flows") for path in (ROOT / package).rglob("*.py")]
    having = [path for path in modules if f"class {name.split('.')[0]}" in path.read_text(encoding="utf-8")]
    assert any(name in defined(str(path.relative_to(ROOT))) for path in having)
