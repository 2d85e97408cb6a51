"""A library of principles in the terminal: a page of a handbook, best founded first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from flows.screen.console import command, out, say
from lapt.errors import ConfigError
from lapt.library.entries import Entry, Library, Reading
from lapt.library.pooling import Pooled

Founded = tuple[Entry, Pooled]


def show_library(library: Library, name: str, space: str | None, kinds: Sequence[str]) -> None:
    """Print the principles with what each task says of them. Raises ConfigError for a space without any."""
    for of_space, founded in _by_space(library, name, space, kinds):
        sure, rest = [one for one in founded if _tells(one[1])], [one for one in founded if not _tells(one[1])]
        tasks = dict.fromkeys(reading.place for entry, _ in founded for reading in entry.readings)
        out.print(
            f"\n{of_space}: {len(founded)} principles, judged by {', '.join(tasks)}", style="bold", soft_wrap=True
        )
        if sure:
            out.print("\nWhat holds, best founded first", style="bold")
        for number, (entry, evidence) in enumerate(sure, start=1):
            _show(number, entry, evidence)
        if rest:
            out.print("\nWhat holds on some tasks and not on others, or is not sure", style="bold")
        for number, (entry, evidence) in enumerate(rest, start=len(sure) + 1):
            _show(number, entry, evidence)
    say(f"What now?  {command('run', 'PIPELINE', '--set', f'source={{library: {name}}}')}")


def _show(number: int, entry: Entry, evidence: Pooled) -> None:
    cited = f" ({entry.cited})" if entry.cited else ""
    out.print(f"\n{number}. {entry.said}{cited}", soft_wrap=True)
    out.print(f"   {evidence.said}", soft_wrap=True)
    for label, good in (("for", True), ("against", False)):
        readings = [one for one in entry.readings if (one.odds.log_ratio * evidence.mean > 0) == good]
        if readings:
            out.print(f"   {label}: {'; '.join(map(_counted, readings))}", soft_wrap=True)


def _counted(reading: Reading) -> str:
    others = "all" if reading.base_of is None else "the others"
    where = ", found there" if reading.found else ""
    return f"{reading.place} ({reading.support} of {reading.of}, {reading.base_rate:.0%} of {others}{where})"


def as_json(library: Library, name: str, space: str | None, kinds: Sequence[str]) -> None:
    """Print the same as JSON."""
    rows = [
        {
            **entry.as_data,
            "statement": entry.said,
            "odds": {"mean": evidence.mean, "low": evidence.lower, "high": evidence.upper},
            "tasks": evidence.tasks,
            "against": evidence.against,
        }
        for _, founded in _by_space(library, name, space, kinds)
        for entry, evidence in founded
    ]
    print(json.dumps(rows, indent=2))


def _tells(evidence: Pooled) -> bool:
    """Whether the interval of the odds ratio leaves 1 out."""
    return evidence.lower > 0 or evidence.upper < 0


def _by_space(
    library: Library, name: str, space: str | None, kinds: Sequence[str]
) -> Iterator[tuple[str, list[Founded]]]:
    if space is not None and space not in library.spaces:
        raise ConfigError(
            f"a space of library {name} among {list(library.spaces)}", repr(space), "leave --space out for all"
        )
    for known in library.spaces if space is None else (space,):
        if founded := library.best_founded(known, kinds=kinds):
            yield known, founded
