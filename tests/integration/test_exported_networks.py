"""Exports of a run on a folder: they score as reported by their files alone, and do not need the images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import shared_server
from PIL import Image, ImageDraw
from typed import typed

from lapt.evaluators.images import _loaded
from storage.store import Store

pytestmark = pytest.mark.integration

LAPT = str(Path(sys.executable).with_name("lapt"))
GUIDE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
CLASSES = ("disc", "square", "triangle")
PIPELINE = """
name: shapes
space: nas201
evaluator: {kind: training, data: shapes, size: 16, channels: 4, recipe: {epochs: 1, batch_size: 30}, final_epochs: 8}
source: {library: shipped}
targets: [classification]
adaptation: {iterations: 1, top_r: 2}
search: {method: rea, population_size: 2, generations: 1, tournament_size: 2}
controls: [random, plain_cnn]
"""
OTHER = "|none~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_3x3~1|skip_connect~2|"


def picture(shape: str, rng: np.random.Generator) -> Image.Image:
    """A shape on noise, of some size that is no square, large enough for a JPEG to be decoded at a smaller scale."""
    height, width = rng.integers(32, 44, 2)
    image = Image.fromarray(rng.integers(0, 90, (height, width, 3)).astype("uint8"))
    (x, y), side = rng.integers(2, 14, 2), rng.integers(10, 16)
    colour = tuple(int(value) for value in rng.integers(120, 255, 3))
    draw = ImageDraw.Draw(image)
    if shape == "triangle":
        draw.polygon([(x, y + side), (x + side, y + side), (x + side / 2, y)], fill=colour)
    else:
        (draw.ellipse if shape == "disc" else draw.rectangle)([x, y, x + side, y + side], fill=colour)
    return image.resize((3 * image.width, 3 * image.height))


class Run(NamedTuple):
    """A run, the folder in which it was typed, and its result for the target."""

    id: str
    home: Path
    target: dict[str, Any]

    @property
    def store(self) -> str:
        return str(self.home / "store")

    def export(self, *words: str) -> subprocess.CompletedProcess[str]:
        return typed("export", self.id, *words, "--store", self.store)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 13)):
        for shape in CLASSES:
            folder = home / "shapes" / split / shape
            folder.mkdir(parents=True)
            for number in range(count):
                picture(shape, rng).save(folder / f"{number}.{('png', 'jpg')[number % 2]}")
    (home / "shapes.yaml").write_text(PIPELINE)
    command = [LAPT, "run", "shapes.yaml", "--json", "--processes", "1", "--store", str(home / "store")]
    environment = shared_server.environment()
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Run(found["run_id"], home, found["targets"][0])


@pytest.fixture(autouse=True)
def _there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of the run, with no image read yet, as in a new process."""
    monkeypatch.chdir(run.home)
    _loaded.cache_clear()


WITHOUT_LAPT = "import sys; [sys.modules.__setitem__(name, None) for name in ('lapt', 'flows', 'storage', 'tasks')]\n"
IN_PYTHON = """
import net
from pathlib import Path
network = net.load("net.pt")
files = [*Path(sys.argv[1]).glob("*/*")]
right = [net.predict(str(file), network)[0][0] == file.parent.name for file in files]
print(100 * sum(right) / len(right))
"""
(IN_ONNX,) = (text for text in re.findall(r"```py\n(.*?)```", GUIDE, re.DOTALL) if "InferenceSession" in text)
"""The guide's own code: it defines ``classified(path)``."""
COUNTED = """
from pathlib import Path
files = [*Path(sys.argv[1]).glob("*/*")]
right = [classified(file) == file.parent.name for file in files]
print(100 * sum(right) / len(right))
"""


@pytest.mark.parametrize(
    ("format", "name", "code"), [("python", "net.py", IN_PYTHON), ("onnx", "net.onnx", IN_ONNX + COUNTED)]
)
def test_the_files_alone_reach_the_reported_test_score(
    run: Run, format: str, name: str, code: str, tmp_path: Path
) -> None:
    exported = run.export("--format", format, "--out", str(tmp_path / name))
    assert exported.returncode == 0, exported.stderr
    command = [sys.executable, "-c", WITHOUT_LAPT + code, str(run.home / "shapes" / "test")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(run.target["test"], abs=1e-4)
    told = json.loads(typed("predict", str(tmp_path / name), str(run.home / "shapes" / "test"), "--json").stdout)
    assert told["accuracy"]["images"] == 39
    assert told["accuracy"]["percent"] == pytest.approx(run.target["test"], abs=1e-4)


def test_a_hand_made_control_is_exported_as_it_was_trained(run: Run, tmp_path: Path) -> None:
    (hand_made,) = (one for one in run.target["controls"] if one["method"] == "plain_cnn")
    assert hand_made["final"]["parameters"] == 220_276 + 3 * 112 + 3
    assert hand_made["evaluations"] == 0
    exported = run.export("--control", "plain_cnn", "--format", "onnx", "--out", str(tmp_path / "plain.onnx"))
    assert exported.returncode == 0, exported.stderr
    told = json.loads(
        typed("predict", str(tmp_path / "plain.onnx"), str(run.home / "shapes" / "test"), "--json").stdout
    )
    assert told["accuracy"]["percent"] == pytest.approx(hand_made["test"], abs=1e-4)


@pytest.fixture(params=["moved", "grown", "elsewhere"])
def disturbed(
    run: Run, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Words of ``export`` on the images, which are moved, have one more, or are looked for from another folder."""
    images = run.home / "shapes"
    if request.param == "moved":
        moved = Path(shutil.move(images, tmp_path / "shapes"))
        yield "the images shapes cannot be read here"
        shutil.move(moved, images)
    elif request.param == "grown":
        more = Path(shutil.copy(images / "train" / "disc" / "0.png", images / "train" / "disc" / "more.png"))
        yield "the images shapes have changed since"
        more.unlink()
    else:
        monkeypatch.chdir(tmp_path)
        yield "the images shapes cannot be read here"


def test_the_weights_in_the_store_are_enough(run: Run, disturbed: str, tmp_path: Path) -> None:
    exported = run.export("--out", str(tmp_path / "net.py"))
    assert exported.returncode == 0, exported.stderr
    (line,) = exported.stderr.splitlines()
    assert line.startswith(disturbed)
    before = run.target["test"]
    tests = next(folder for folder in (run.home / "shapes" / "test", tmp_path / "shapes" / "test") if folder.is_dir())
    told = json.loads(typed("predict", str(tmp_path / "net.py"), str(tests), "--json").stdout)
    assert told["accuracy"]["percent"] == pytest.approx(before, abs=1e-4)
    untrained = run.export("--architecture", OTHER, "--out", str(tmp_path / "other.py"))
    assert untrained.returncode == 0, untrained.stderr
    assert "not trained: the store has no weights of" in untrained.stderr
    assert 'CLASSES = ("disc", "square", "triangle")' in (tmp_path / "other.py").read_text()


def test_undisturbed_it_says_nothing_of_the_images(run: Run, tmp_path: Path) -> None:
    assert run.export("--out", str(tmp_path / "net.py")).stderr == ""


def test_the_network_of_a_control_has_the_controls_score(run: Run, tmp_path: Path) -> None:
    control = run.target["controls"][0]
    assert run.export("--control", "random", "--out", str(tmp_path / "net.py")).returncode == 0
    told = json.loads(typed("predict", str(tmp_path / "net.py"), "shapes/test", "--json").stdout)
    assert told["accuracy"]["percent"] == pytest.approx(control["test"], abs=1e-4)
    refused = run.export("--control", "rea", "--out", str(tmp_path / "net.py"))
    assert refused.returncode == 2
    assert "--control among ['random', 'plain_cnn']; got rea" in refused.stderr
    both = run.export("--control", "random", "--architecture", OTHER)
    assert "at most one of" in both.stderr


def test_any_architecture_is_written_untrained_and_trained_when_asked(run: Run, tmp_path: Path) -> None:
    words = ("--architecture", OTHER, "--out", str(tmp_path / "net.py"))
    assert "written with random ones (--train trains it)" in run.export(*words).stderr
    refused = typed("predict", str(tmp_path / "net.py"), "shapes/test")
    assert refused.returncode == 2
    assert "one that was exported untrained; export what a run trained" in refused.stderr
    weights = run.export(*words, "--format", "state-dict")
    assert weights.returncode == 2
    assert "of which the store has no weights; train it with --train" in weights.stderr
    trained = run.export(*words, "--train")
    assert trained.returncode == 0, trained.stderr
    assert typed("predict", str(tmp_path / "net.py"), "shapes/test").returncode == 0
    assert "training" not in run.export(*words).stderr, "the store has its weights now"


def test_what_lapt_final_trained_is_exported(run: Run, tmp_path: Path) -> None:
    longer = ("--set", "evaluator.final_epochs=2")
    done = subprocess.run(
        [LAPT, "final", run.id, *longer, "--json", "--store", run.store],
        env=shared_server.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (final,) = json.loads(done.stdout)
    kept = Store(run.store).read("finals").column("run_id").to_pylist()
    assert kept == [run.id] * 5  # three of the run, one of export --train
    for words, test in (((), final["test"]), (("--set", "evaluator.final_epochs=8"), run.target["test"])):
        exported = run.export(*words, "--out", str(tmp_path / "net.py"))
        assert ("the store has 2 trainings of it; this is the latest" in exported.stderr) == (not words)
        told = json.loads(typed("predict", str(tmp_path / "net.py"), "shapes/test", "--json").stdout)
        assert told["accuracy"]["percent"] == pytest.approx(test, abs=1e-4)
