"""The commands and outputs in the README and the pages of docs/ are those of real runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_server
import yaml
from openai_server import serving

from lapt.pipeline.config import validated
from lapt.spaces import DeclaredSpace, space_named
from storage.benchmarks.kinds import Declaration
from storage.sql.query import query
from storage.store import Store

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = ROOT / "docs" / "python.md"
TEXT = "\n".join(page.read_text() for page in PAGES)


def blocks(language: str, *pages: Path) -> list[str]:
    """The code blocks of the pages (all if none is named), in order."""
    text = "\n".join(page.read_text() for page in pages) if pages else TEXT
    return [block for found, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL) if found == language]


def declared(name: str) -> dict[str, Any]:
    """The YAML block that begins with ``# name.yaml``, the first of them."""
    found: dict[str, Any] = yaml.safe_load(next(text for text in blocks("yaml") if text.startswith(f"# {name}.yaml")))
    return found


def test_the_declared_table_and_pipeline_are_valid() -> None:
    (model,) = (yaml.safe_load(text) for text in blocks("yaml") if text.startswith("reasoner:"))
    images, table, pipeline = declared("images"), declared("mine"), declared("pipeline")
    assert validated({**pipeline, **model}, "README").reasoner.kind == "chat"
    assert validated(images, "README").evaluator.kind == "training"
    assert Declaration.model_validate(table).tasks["depth"].higher_is_better is False
    assert validated(pipeline, "README").targets == ("depth",)


def ran(text: str, folder: Path) -> str:
    """The output of a Python program that is run in this folder."""
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
def test_the_python_examples_run(tmp_path: Path) -> None:
    said = [ran(text, tmp_path) for page in PAGES if page != GUIDE for text in blocks("python", page)]
    found, space, carried, deep, capped, registered, checked, supernet = said
    assert len(carried.splitlines()) == 1
    assert capped == ""
    assert registered == ""
    assert deep.startswith("A path leads from the input to the output through two or more nor_conv_3x3. 14%")
    assert found.startswith("6.0 |nor_conv_3x3~0|")
    assert space.startswith("1250 |nor_conv_3x3~0|")
    assert checked == ""
    assert 10 < float(supernet) <= 100


@pytest.mark.integration
def test_the_guide_runs_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    first, fast, stored, asked, kept, rehearsed = ran("\n".join(blocks("python", GUIDE)), tmp_path).splitlines()
    assert float(first.split()[0]) > 0
    assert "RuntimeError: does not compile" in fast
    assert len(eval(stored.split(maxsplit=1)[1])) == 5, "rows of the store"
    assert "after 16 evaluations" in asked
    assert float(kept) > 0
    assert "on invented_a after 20 evaluations" in rehearsed


def test_the_declared_macro_space_holds_the_benchmark() -> None:
    """Duan et al. 2021: 3,256 networks of 4 to 6 modules; 1 to 3 double the channels (2, 4), 1 to 4 stride (3, 4)."""
    space = space_named(DeclaredSpace.model_validate(declared("macro")))
    modules = [space.encode(member).split("-")[1] for member in space.members()]
    assert space.size == len(set(modules)) == 5_376
    wider = [sum(module in "24" for module in row) for row in modules]
    down = [sum(module in "34" for module in row) for row in modules]
    assert sum(1 <= w <= 3 and 1 <= d <= 4 for w, d in zip(wider, down, strict=True)) == 3_256
    assert space.decode("64-1234-basic").operators == ("plain", "wider", "down", "both", "none")


@pytest.mark.integration
@pytest.mark.parametrize(("block", "target"), [(0, "flowers"), (1, "classification")])
def test_a_space_of_ones_own_is_declared_and_searched(tmp_path: Path, block: int, target: str) -> None:
    script = blocks("shell")[block]
    environment = shared_server.environment()
    environment |= {"LAPT_DATA": str(tmp_path / "data"), "LAPT_STORE": str(tmp_path / "store")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert f"\n{target} (accuracy" in done.stdout, "the architecture found, under its task's name"


SMALL = [
    "evaluator.recipe={epochs: 1, batch_size: 32}",
    "evaluator.final_epochs=1",
    "evaluator.size=8",
    "evaluator.channels=4",
    "evaluator.cells=1",
    "search.population_size=2",
]
"""So that a machine without a card is done with somebody's images in seconds."""


@pytest.mark.integration
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_runs(page: Path, tmp_path: Path, real_data: Path, real_surrogate: Path) -> None:
    """In order, in one store, with two seeds in place of the studies' many; RUN is the run before."""
    commands = [line for text in blocks("bash", page) for line in text.replace("\\\n", " ").splitlines() if line]
    data, store = tmp_path / "data", tmp_path / "store"
    shutil.copytree(real_surrogate / "surrogates", data / "surrogates")
    for table in real_data.glob("*.parquet"):
        shutil.copy(table, data)
    (tmp_path / "images.yaml").write_text(yaml.safe_dump(declared("images")))
    images_in(tmp_path / declared("images")["evaluator"]["data"])
    environment = shared_server.environment() | {"LAPT_DATA": str(data), "LAPT_STORE": str(store)}
    for command in commands:
        words = shlex.split(re.sub(r"--seeds \d+", "--seeds 2", command), comments=True)
        if words[0] == "make" or words[1:3] == ["benchmark", "import"]:
            continue  # make is what runs this; importing is what the fixtures did
        if "RUN" in words:
            words[words.index("RUN")] = latest_run(Store(store))
        if words[1] in ("run", "study") and not {"table4", "table5", "--processes"} & set(words):
            words += ["--processes", "1"]  # each process more is a start of Python
        if words[1:3] == ["study", "darts"]:
            words += ["--methods", "lapt-rea,rea"]
        if words[1:3] == ["run", "images.yaml"]:
            words += [word for value in SMALL for word in ("--set", value)]
        words[0] = str(Path(sys.executable).with_name(Path(words[0]).name))
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=240, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        assert "ERROR" not in done.stderr
        assert "Traceback" not in done.stderr


def latest_run(store: Store) -> str:
    rows = query(store, "SELECT run_id FROM runs WHERE event = 'finished' ORDER BY created_at DESC LIMIT 1").to_pylist()
    return str(rows[0]["run_id"])


def images_in(folder: Path) -> None:
    """scikit-learn's digits as somebody's folder of pictures, a few of each."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images[:240], digits.target[:240], strict=True)):
        target = folder / ("test" if number % 5 == 0 else "train") / str(label)
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype("uint8")).save(target / f"{number}.png")


@pytest.mark.integration
def test_every_run_of_a_language_model(tmp_path: Path, real_data: Path) -> None:
    """Against a server on this machine that answers what each prompt's schema asks for."""
    with serving() as server:
        environment = shared_server.environment()
        environment |= {"LAPT_DATA": str(real_data), "LAPT_STORE": str(tmp_path / "store"), "OPENAI_API_KEY": "none"}
        environment["OPENAI_BASE_URL"] = server.url
        commands = [line for text in blocks("sh", ROOT / "README.md") for line in text.splitlines()]
        runs = [command for command in commands if command.startswith("lapt run") and "nas201" in command]
        assert len(runs) == 4
        for command in runs:
            words = shlex.split(command.replace("http://127.0.0.1:8000/v1", server.url), comments=True)
            words[0] = str(Path(sys.executable).with_name("lapt"))
            asked = len(server.requests)
            # The server keeps every operator, and counting is to stand in for what that is too much of.
            words += ["--set", "reasoner.max_operators=5"]
            done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240, check=False)
            if "chat:manual" in command:
                assert "lapt reasoner reply" in done.stderr, done.stderr
            else:
                assert done.returncode == 0, (command, done.stderr)
                assert (len(server.requests) > asked) == ("--replay" not in command)


SCRIPTS = sorted(set(re.findall(r"`\.venv/bin/python (benchmarks/\w+\.py)`", TEXT)))
EACH_LOADED = """
import json, os, runpy, sys, traceback
import PIL.Image, pyarrow.parquet, pydantic, scipy.stats, torch, torchvision, yaml  # once, for all: most of the time
faults = {}
for script in sys.argv[1:]:
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.close(reader)
        with os.fdopen(writer, "w") as said:
            try:
                runpy.run_path(script)  # what they do stands under __main__
                said.write("loaded")
            except BaseException:
                said.write(traceback.format_exc())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as heard:
        faults[script] = heard.read()
    os.waitpid(child, 0)
print(json.dumps(faults))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, str]:
    """The end of each script, in a process of its own: ``loaded``, or why not."""
    command = [sys.executable, "-c", EACH_LOADED, *(str(ROOT / script) for script in SCRIPTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(SCRIPTS, json.loads(done.stdout.splitlines()[-1]).values(), strict=True))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_behind_the_figures_find_what_they_import(script: str, loaded: dict[str, str]) -> None:
    assert loaded[script] == "loaded"


@pytest.mark.integration
def test_the_training_step_is_measured() -> None:
    smallest = ["--cells", "2", "--steps", "1", "--batch", "8"]
    command = [sys.executable, str(ROOT / "benchmarks" / "training_step.py"), *smallest]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ratio" in done.stdout.splitlines()[-1]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make (\w[\w-]*)", TEXT, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
