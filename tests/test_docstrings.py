"""The check of docstrings finds each question that is planted, by file and line, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).parents[1] / ".ci" / "docstrings.py"

FAULTY = '''"""What a store holds."""

LIMIT = 3
"""How many are shown."""


class Store:
    """When the run ends, it is closed."""

    size: int = 0
    """Its size."""

    def full(self) -> bool:
        """
        Is it full (Real et al. 2019)?
        """
        return "What is this"


def alike() -> bool:
    """Two readings (Real et al. 2019): do they end alike?"""
'''
SOUND = '''"""Whatever a store holds, and whether it is full. What else there is, stands here. Is it?"""


def is_full() -> None:
    """Is_full is a name, ``?`` a pattern."""
    print("""How many are shown?""")
'''


def checked(folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, str(CHECK), str(folder)], capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_questions_are_named_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "faulty.py").write_text(FAULTY, encoding="utf-8")
    (tmp_path / "sound.py").write_text(SOUND, encoding="utf-8")
    status, lines = checked(tmp_path)
    assert status == 1
    file = tmp_path / "inner" / "faulty.py"
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        [f"{file}:1", "begins with What"],
        [f"{file}:4", "begins with How"],
        [f"{file}:8", "begins with When"],
        [f"{file}:14", "begins with Is"],
        [f"{file}:21", "the first sentence is a question"],
    ]
    assert lines[-1].startswith("5 docstrings")


def test_sound_docstrings_pass(tmp_path: Path) -> None:
    (tmp_path / "sound.py").write_text(SOUND, encoding="utf-8")
    assert checked(tmp_path) == (0, [])
