"""The examples run, and say what their first lines promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "algorithm_1.py": ("invented_a: ", "invented_b: ", "after 20 evaluations"),
    "spaces.py": ("nas201: 15,625 architectures", "every one is one of the whole: True", "compute 5,260 different"),
    "own_searcher.py": ("climber ", "rea ", "random "),
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_as_it_stands(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in SAYS[name]), done.stdout
    assert not list(tmp_path.iterdir())
