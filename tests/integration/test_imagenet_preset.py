"""The preset of Table 5 from its supernet to the final training, on a small folder that is laid out as ImageNet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shared_server
from PIL import Image

pytestmark = pytest.mark.integration

CLASSES, EACH = 20, 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """20 classes of four training images and one for the test, 224 pixels high and wider than that."""
    rng = np.random.default_rng(0)
    for split, images in (("train", EACH), ("val", 1)):
        for label in range(CLASSES):
            for number in range(images):
                path = tmp_path / "imagenet" / split / f"n{label:08d}" / f"{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.normal(10 * label, 20, (224, 240, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(path)
    return tmp_path


def test_the_preset_of_table_5_runs_to_its_end(root: Path) -> None:
    changes = [
        "scale=tiny", f"evaluator.root={root}", "evaluator.sample={classes: 6, images: 3}", "adaptation.iterations=1",
        "evaluator.recipe.epochs=1", "evaluator.final.recipe.epochs=1", "search.population_size=2", "search.ask_size=2",
    ]  # fmt: skip
    settings = [word for change in changes for word in ("--set", change)]
    command = [str(Path(sys.executable).with_name("lapt")), "run", "darts_imagenet", "--json", "--processes", "1"]
    done = subprocess.run(
        [*command, "--store", str(root / "store"), *settings],
        capture_output=True,
        text=True,
        env=shared_server.environment() | {"LAPT_CACHE": str(root / "cache")},
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "18 to train on (train), 6 for the test (val); 6 classes of 20, a sample" in done.stderr
    assert "80 to train on (train), 20 for the test (val); 20 classes;" in done.stderr
    (target,) = json.loads(done.stdout)["targets"]
    assert target["task"] == "imagenet"
    assert target["evaluations"] == 4
    assert target["final"]["tested_on"] == CLASSES
    assert target["test"] == target["final"]["test"]
