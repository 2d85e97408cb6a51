"""The README's pipeline on a folder of images, as a user brings it, and folders that are wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shared_server
from PIL import Image
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from typed import typed

pytestmark = pytest.mark.integration

LAPT = str(Path(sys.executable).with_name("lapt"))
README = (Path(__file__).parents[2] / "README.md").read_text()
(DECLARED,) = (text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "# images.yaml" in text)
SMALLER = [
    "evaluator.size=8", "evaluator.channels=4", "evaluator.recipe={epochs: 1, batch_size: 20}",
    "evaluator.final_epochs=2", "source={task: jigsaw, archive: {strategy: random, samples: 4, size: 2}}",
    "adaptation.iterations=1", "search.population_size=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four digits as PNG files: 30 training and 10 test images of each."""
    root = tmp_path_factory.mktemp("images")
    digits = load_digits()
    for label in range(4):
        of_class = digits.images[digits.target == label][:40]
        for number, pixels in enumerate(of_class):
            path = root / ("train" if number < 30 else "test") / f"digit {label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255 / 16).astype("uint8")).save(path)
    return root


def words(pipeline: Path, *more: str) -> list[str]:
    changes = [word for change in SMALLER for word in ("--set", change)]
    return [
        "run",
        str(pipeline),
        "--json",
        "--store",
        str(pipeline.parent / "store"),
        "--processes",
        "1",
        *changes,
        *more,
    ]


def written(folder: Path, where: Path) -> Path:
    where.mkdir(exist_ok=True)
    (where / "images.yaml").write_text(DECLARED.replace("path/to/folder", str(folder)))
    return where / "images.yaml"


def test_the_pipeline_of_the_readme_runs_on_a_folder(folder: Path, tmp_path: Path) -> None:
    command, environment = [LAPT, *words(written(folder, tmp_path))], shared_server.environment()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for target in json.loads(done.stdout)["targets"]:
        assert target["test"] is not None
        assert target["controls"][0]["method"] == "random"


CAP = 200_000
"""Parameters. With 24 channels and one cell a stage, the largest network has twice as many."""


def test_the_network_found_fits_by_its_own_count_after_export(folder: Path, tmp_path: Path) -> None:
    capped = ["--set", "evaluator.channels=24", "--set", f"constraints={{parameters: {{max: {CAP}}}}}"]
    command, environment = [LAPT, *words(written(folder, tmp_path), *capped)], shared_server.environment()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^lapt: constraints leave [\d,]+ of 15,625 architectures of nas201", done.stderr, re.MULTILINE)
    result, store = json.loads(done.stdout), str(tmp_path / "store")
    for target in result["targets"]:
        source = tmp_path / f"{target['task']}.py"
        more = ["--target", target["task"], "--format", "python", "--out", str(source), "--store", store]
        exported = typed("export", result["run_id"], *more)
        assert exported.returncode == 0, exported.stderr
        said = subprocess.run([sys.executable, str(source)], capture_output=True, text=True, timeout=100, check=True)
        (count,) = re.findall(r"(\d+) parameters", said.stdout)
        assert int(count) == target["quantities"]["parameters"] <= CAP
    query = "SELECT task, max(live_parameters) AS most FROM scores WHERE split = 'validation' GROUP BY task"
    most = dict(map(dict.values, json.loads(typed("sql", query, "--json", "--store", store).stdout)["rows"]))
    targets = {target["task"] for target in result["targets"]}
    assert max(most[task] for task in targets) <= CAP  # of the controls too: nothing larger was trained
    assert set(most) > targets


def test_a_cap_that_no_network_meets_is_one_line_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    done = typed(*words(written(folder, tmp_path), "--set", "constraints.parameters.max=99"))  # a dead cell has 100
    assert done.returncode == 2
    (line,) = without_warnings(done.stderr)
    assert line.startswith("lapt: expected an architecture of nas201 with parameters at most 99; got none; the nearest")
    assert not (tmp_path / "store" / "scores").exists()


def without_warnings(said: str) -> list[str]:
    """Its images are few, and what was read of them is said as well."""
    about = "lapt: warning: expected 100 validation", "lapt: images of "
    return [line for line in said.splitlines() if not line.startswith(about)]


def test_folders_that_are_wrong_are_one_line(folder: Path, tmp_path: Path) -> None:
    corrupt = Path(shutil.copytree(folder, tmp_path / "corrupt"))
    (corrupt / "train" / "digit 1" / "3.png").write_bytes(b"no image")
    torn = Path(shutil.copytree(folder, tmp_path / "torn"))
    image = torn / "test" / "digit 1" / "33.png"
    image.write_bytes(image.read_bytes()[:60])  # the header is whole
    lonely = Path(shutil.copytree(folder, tmp_path / "lonely"))
    for image in sorted((lonely / "train" / "digit 2").iterdir())[1:]:
        image.unlink()
    for name, broken, said in (
        ("a", corrupt, ["an image in", "digit 1/3.png", "replace or remove"]),
        ("b", lonely, ["two images of every class", "one of class 'digit 2'", "add images"]),
        ("c", tmp_path / "nowhere", ["a folder of images", "nowhere"]),
        ("t", torn, ["an image in", "digit 1/33.png", "replace or remove"]),
    ):
        done = typed(*words(written(broken, tmp_path / name)))
        assert done.returncode in (1, 2)
        (line,) = without_warnings(done.stderr)  # nothing was begun
        assert line.startswith("lapt: expected ")
        assert all(part in line for part in said), line
    done = typed(*words(written(folder, tmp_path / "d"), "--set", "targets=[depth]"))
    assert done.returncode in (1, 2)
    (line,) = without_warnings(done.stderr)
    assert line.startswith("lapt: expected a task among")
