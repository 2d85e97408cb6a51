"""Writes the library of principles that comes with LAPT, from the best 50 architectures of every task of some tables.

    python benchmarks/shipped_library.py digits nasbench201 transnas101_micro --out lapt/library/shipped.json

The file holds sentences and counts, and no architecture or score of a table. ``--without TABLE``: as it would be if
that table did not exist, for figures on its tasks.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from lapt.archive import best_of_all
from lapt.evaluators import TableEvaluator
from lapt.library.entries import Library
from lapt.library.growing import Read, conditions_in, grown
from lapt.reasoning import Patterns
from lapt.spaces import SearchSpace, space_named
from storage.benchmarks.tables import load

BEST = 50


def seen(table: str) -> list[tuple[SearchSpace, Read]]:
    """The best architectures of each task of a table, and the conditions that are found in them."""
    found = load(table)
    space = space_named(found.space)
    every = []
    for task in sorted(found.scores):
        evaluator = TableEvaluator(found, space, task, "never" if found.holes else None)
        archive = best_of_all(space, evaluator, BEST)
        learned = Patterns(knowledge=0).learn(space, archive)
        read = Read(
            task=task,
            data=table,
            kind=found.metrics[task].name,
            good=[entry.architecture for entry in archive.entries],
            found=conditions_in(learned),
            reasoner="patterns",
        )
        every.append((space, read))
    return every


def library_of(tables: list[str]) -> Library:
    """The library of some tables. Every task judges every principle of its space, whichever task it was found on."""
    library, every = Library(), [one for table in tables for one in seen(table)]
    for space, read in every:
        library, _, _ = grown(library, space, read)
    for space, read in every:
        library, _, _ = grown(library, space, replace(read, found=()))
    return library


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("tables", nargs="+")
    asked.add_argument("--without", action="append", default=[])
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    library = library_of([table for table in given.tables if table not in given.without])
    given.out.write_text(library.text, encoding="utf-8")
    for space in library.spaces:
        print(f"{space}: {sum(entry.space == space for entry in library.entries)} principles")


if __name__ == "__main__":
    main()
