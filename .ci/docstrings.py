"""Check of docstrings: none begins with a question word, and no first sentence is a question.

Usage: python .ci/docstrings.py [FOLDER ...]. It prints file:line of each such docstring, then their number, and exits
with status 1 if there are any. Docstrings are all strings that stand alone as a statement: those of modules, classes,
functions and attributes.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("lapt", "storage", "tasks", "flows", "tests", "benchmarks")
WORDS = (
    *("What", "How", "Which", "Who", "Whose", "Where", "When", "Why"),
    *("Is", "Are", "Was", "Does", "Do", "Did", "Can", "Could", "Has", "Have", "Should"),
)
BEGINS = re.compile(rf"\s*({'|'.join(WORDS)})\b", re.IGNORECASE)
# An abbreviation, as in "et al. 2019", ends no sentence: the next one begins with a capital letter or with code.
SENTENCE_END = re.compile(r"[.?!](?=[\"')\]]*(?:\s+[A-Z`(\"']|\s*\Z))")


def fault(text: str) -> str | None:
    """The fault of a docstring, if it has one."""
    if first := BEGINS.match(text):
        return f"begins with {first[1]}"
    end = SENTENCE_END.search(text)
    return "the first sentence is a question" if end is not None and end[0] == "?" else None


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each string that stands alone as a statement, in the order of lines."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    for node in sorted(nodes, key=lambda node: node.lineno):
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def main(folders: list[str]) -> int:
    """Print the faults in these folders and their number; returns the exit status."""
    found = [
        f"{path}:{line}: {wrong}: {text.strip().splitlines()[0][:60]}"
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        for line, text in docstrings(path.read_text(encoding="utf-8"))
        if (wrong := fault(text)) is not None
    ]
    if found:
        print(*found, f"{len(found)} docstrings to rewrite: begin with a noun phrase or an imperative", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(FOLDERS)))
