"""The examples run, and say what their first lines promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "algorithm_1.py": ("invented_a: ", "invented_b: ", "after 20 evaluations"),
    "spaces.py": ("nas201: 15,625 architectures", "every one is one of the whole: True", "compute 5,260 different"),
    "transfer.py": ("after 20 evaluations", "random search with the same budget: ", "convolutions"),
    "ask_tell.py": ("after 16 evaluations",),
    "own_searcher.py": ("climber ", "rea ", "random "),
    "own_optuna_study.py": ("whole: 15,625 architectures", "refined: ", "best of 20 trials"),
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_as_it_stands(name: str, tmp_path: Path) -> None:
    if "optuna" in name:
        pytest.importorskip("optuna", reason="the extra optuna is not installed")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in SAYS[name]), done.stdout
    assert not list(tmp_path.iterdir())


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """In a kernel of its own, as Jupyter runs it; the last cells show a picture and a table."""
    notebook = nbformat.read(EXAMPLES / "transfer.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert any("<img" in page and "Principles" in page for page in pages)
    code = "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "def score" in code
