"""Principles of a library, as data: a condition, and what each task that was read says of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lapt.base.declarations import Frozen, Name, text_of, value_of
from lapt.base.faults import fault
from lapt.conditions.language import Condition, condition_of, declared
from lapt.conditions.sentences import sentence
from lapt.errors import ConfigError
from lapt.library.pooling import Odds, Pooled, pooled
from lapt.reasoning.statements import Seen, Statement

VERSION = 1
MOST = 2_000
"""Largest number of principles in a library."""


class Reading(Frozen):
    """Good architectures of one task, beside others.

    ``support`` of the ``of`` good architectures meet the condition. Each function counts once. ``base_rate``: the share
    of the others that meets it, ``base_of`` their number; None: all of the space. ``data``: the table or the images.
    ``kind``: of the task, the name of its metric. ``found``: the condition was found in these architectures. ``run``,
    ``archive``, ``reasoner``: the run that read them, the digest of what it read, and who reasoned.
    """

    task: Name
    data: Name
    kind: Name
    support: int = Field(ge=0)
    of: int = Field(ge=1)
    base_rate: float = Field(ge=0, le=1)
    base_of: int | None = Field(None, ge=1)
    found: bool = False
    archive: str = Field(max_length=60)
    run: str = Field("", max_length=60)
    reasoner: str = Field("", max_length=200)

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.support > self.of:
            raise ValueError(f"support ({self.support}) is larger than of ({self.of})")
        return self

    @property
    def place(self) -> str:
        """The task with its data."""
        return f"{self.data} {self.task}"

    @property
    def odds(self) -> Odds:
        return Odds(self.support, self.of, self.base_rate, self.base_of)


class Entry(Frozen):
    """A principle: a condition on architectures of a space, and its readings.

    ``statement``, ``cited``: of a principle of the literature, its words and its source.
    """

    space: Name
    condition: Annotated[Condition, BeforeValidator(condition_of)]
    statement: str = Field("", max_length=2000)
    cited: str = Field("", max_length=2000)
    readings: tuple[Reading, ...] = Field((), max_length=500)

    @property
    def said(self) -> str:
        return self.statement or sentence(self.condition)

    @property
    def key(self) -> tuple[str, str]:
        """Entries of one key are one principle."""
        return self.space, json.dumps(declared(self.condition), sort_keys=True)

    @property
    def pooled(self) -> Pooled | None:
        """The evidence of all tasks together; None without any. Readings of one task count as one."""
        by_place: dict[str, list[Odds]] = {}
        for reading in self.readings:
            by_place.setdefault(reading.place, []).append(reading.odds)
        return pooled([Odds.mean(of_place) for of_place in by_place.values()]) if by_place else None

    def without(self, tasks: Collection[str]) -> Entry | None:
        """The principle without what these tasks said of it; None if nothing is left, or it was found on one of them
        alone."""
        left = tuple(reading for reading in self.readings if reading.task not in tasks)
        was_found = any(reading.found for reading in self.readings)
        if not left or (was_found and not self.cited and not any(reading.found for reading in left)):
            return None
        return self.model_copy(update={"readings": left})

    def with_reading(self, reading: Reading) -> Entry:
        """The principle with one more reading; itself if the same architectures were counted before."""
        if any(known.archive == reading.archive and known.place == reading.place for known in self.readings):
            return self
        return self.model_copy(update={"readings": (*self.readings, reading)})

    @property
    def as_data(self) -> dict[str, Any]:
        found = self.model_dump(mode="json", exclude_defaults=True)
        return {**found, "condition": declared(self.condition)}


class Library(Frozen):
    """Principles of any number of spaces, with their evidence."""

    version: Literal[1] = 1
    entries: tuple[Entry, ...] = Field((), max_length=MOST)

    @property
    def spaces(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.space for entry in self.entries))

    def best_founded(
        self, space: str, *, kinds: Collection[str] = (), without: Collection[str] = ()
    ) -> list[tuple[Entry, Pooled]]:
        """The principles of a space, best founded first, with their evidence.

        ``kinds``: only what tasks of these kinds say. ``without``: tasks that have no say, since they are the targets.
        """
        found: list[tuple[Entry, Pooled]] = []
        for entry in self.entries:
            if entry.space != space:
                continue
            other = {reading.task for reading in entry.readings if kinds and reading.kind not in kinds}
            kept = entry.without({*without, *other}) if without or other else entry
            if kept is not None and kept.pooled is not None:
                found.append((kept, kept.pooled))
        return sorted(found, key=lambda one: -one[1].lower)

    @property
    def text(self) -> str:
        """The file: JSON, an entry a line."""
        lines = ",\n".join(json.dumps(entry.as_data, ensure_ascii=False) for entry in self.entries)
        return f'{{"version": {self.version}, "entries": [\n{lines}\n]}}\n'


def statements(found: Iterable[tuple[Entry, Pooled]], adviser: str) -> tuple[Statement, ...]:
    """Principles of a library as statements, each with the logarithm of its pooled odds ratio as weight.

    A principle whose interval holds 1 says nothing, and is left out."""
    return tuple(
        Statement(
            condition=entry.condition,
            weight=round(evidence.mean, 4),
            statement=entry.statement,
            adviser=adviser,
            rationale=f"{entry.cited}. {evidence.said}" if entry.cited else evidence.said,
            evidence=tuple(
                Seen(space=entry.space, task=reading.task, support=reading.support, of=reading.of)
                for reading in entry.readings
            ),
        )
        for entry, evidence in found
        if evidence.lower > 0 or evidence.upper < 0
    )


def library_in(text: str, where: str) -> Library:
    """The library in a JSON text. Raises ConfigError with the place of the first fault."""
    try:
        found = value_of(text)
    except ValueError as error:
        raise ConfigError(f"JSON in {where}", str(error), "restore the file, or write to another") from None
    if isinstance(found, dict) and found.get("version", VERSION) != VERSION:
        raise ConfigError(
            f"a library of version {VERSION} in {where}", f"version {found['version']!r:.40}", "use a newer LAPT"
        )
    try:
        return Library.model_validate(found)
    except ValidationError as error:
        raise fault(error, where, Library) from None


def read_library(path: Path) -> Library:
    """The library in a file. Raises ConfigError if there is none, or for the first fault in it."""
    return library_in(text_of(path), str(path))
