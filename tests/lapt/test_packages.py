"""A user's own ``flows``, ``storage`` or ``tasks`` hides none of ours, wherever a Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lapt
from lapt.base.packages import OURS, ours_first

HOME = Path(lapt.__file__).parents[1]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A working folder with a user's own modules of those names."""
    for name in ("tasks.py", "storage.py", "flows/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('not ours')\n")
    return tmp_path


def places(folder: Path, code: str, **environment: str) -> list[Path]:
    """The folders in which a Python that starts in ``folder`` finds our packages."""
    code = f"{code}; import {', '.join(OURS)}; print(*(m.__path__[0] for m in ({', '.join(OURS)})), sep=chr(10))"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("path", [False, True], ids=["in the folder", "on PYTHONPATH too"])
def test_what_a_worker_starts_finds_ours(mine: Path, path: bool) -> None:
    inherited = {"PYTHONPATH": os.pathsep.join([str(mine), str(HOME)]) if path else str(HOME)}
    assert places(mine, "0", **{**inherited, **ours_first(inherited)}) == [HOME / name for name in OURS]


def test_the_command_finds_ours(mine: Path) -> None:
    where = os.pathsep.join([str(mine), str(HOME)])
    assert places(mine, "import lapt.command", PYTHONPATH=where) == [HOME / name for name in OURS]


def test_without_it_theirs_is_found(mine: Path) -> None:
    with pytest.raises(AssertionError, match="not ours"):
        places(mine, "0", PYTHONPATH=str(HOME))
