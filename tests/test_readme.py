"""What the README shows is what runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lapt.config import validated
from storage.benchmark_kinds import Declaration

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_the_declared_table_and_pipeline_are_valid() -> None:
    images, table, pipeline = (yaml.safe_load(text) for language, text in BLOCKS if language == "yaml")
    assert validated(images, "README").evaluator.kind == "training"
    assert Declaration.model_validate(table).tasks["depth"].higher_is_better is False
    assert validated(pipeline, "README").targets == ("depth",)


def test_the_python_example_runs() -> None:
    (example,) = (text for language, text in BLOCKS if language == "python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1250 |nor_conv_3x3~0|")


@pytest.mark.integration
def test_every_command_runs(tmp_path: Path, real_data: Path) -> None:
    """In order, in one store, with three seeds in place of the studies' many."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"LAPT_DATA": str(real_data), "LAPT_STORE": str(tmp_path / "store")}
    commands = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines() if line]
    ran = []
    for command in commands:
        words = shlex.split(re.sub(r"--seeds \d+", "--seeds 3", command), comments=True)
        if words[0] == "make" or words[1:3] == ["benchmark", "import"]:
            continue  # make is what runs this; importing is what ``real_data`` did
        words[0] = str(Path(sys.executable).with_name(Path(words[0]).name))
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240, check=False)
        assert done.returncode == 0, (command, done.stderr)
        assert "ERROR" not in done.stderr
        assert "Traceback" not in done.stderr
        ran.append(command)
    assert len(ran) >= 6


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake (\w[\w-]*)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
