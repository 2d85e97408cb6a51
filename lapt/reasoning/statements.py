"""Files of principles: conditions with a weight, and the adviser that states them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lapt.base.declarations import Frozen, Name, text_of, value_of
from lapt.base.faults import fault
from lapt.conditions.judging import fits
from lapt.conditions.language import Condition, condition_of, declared
from lapt.conditions.sentences import sentence
from lapt.errors import ConfigError
from lapt.spaces import SearchSpace

MOST = 500
"""Largest number of principles in a file."""


class Seen(Frozen):
    """Good architectures that were read on a task, ``of`` in number, and the ``support``: how many met a condition."""

    space: Name
    task: Name
    support: int = Field(ge=0)
    of: int = Field(ge=1)

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.support > self.of:
            raise ValueError(f"support ({self.support}) is larger than of ({self.of})")
        return self


class Statement(Frozen):
    """A principle as a condition.

    ``weight``: log-odds of an architecture that follows it against one that does not, relative to the others of its
    adviser; negative for what is to be avoided. ``statement``: in words; the condition's own sentence if unset.
    ``adviser``: who states it. Each adviser of a file has a weight of its own, which the target's scores update.
    ``evidence``: the architectures that it was found in, task by task.
    """

    condition: Annotated[Condition, BeforeValidator(condition_of)]
    weight: float = Field(1.0, ge=-100, le=100)
    statement: str = Field("", max_length=2000)
    adviser: str = Field("", max_length=60)
    rationale: str = Field("", max_length=2000)
    evidence: tuple[Seen, ...] = Field((), max_length=200)

    @property
    def support(self) -> float:
        """The share of the architectures read that meet the condition, over all of its evidence; 0 without any."""
        return sum(seen.support for seen in self.evidence) / max(1, sum(seen.of for seen in self.evidence))

    @property
    def said(self) -> str:
        """Its sentence."""
        return self.statement or (sentence(self.condition) if self.weight >= 0 else f"Not: {sentence(self.condition)}")

    @property
    def as_data(self) -> dict[str, Any]:
        """Its keys, without those at their defaults."""
        found = self.model_dump(mode="json", exclude_defaults=True)
        return {**found, "condition": declared(self.condition)}


class StatedPrinciples(Frozen):
    """Principles for one space, as a file has them."""

    version: Literal[1] = 1
    space: Name
    principles: tuple[Statement, ...] = Field(min_length=1, max_length=MOST)

    def check(self, space: SearchSpace) -> None:
        """Raise ConfigError for the first condition that names something the space does not have."""
        for number, one in enumerate(self.principles, start=1):
            reason = fits(one.condition, space)
            if reason is not None:
                raise ConfigError(
                    f"principles that {space.name} can follow",
                    f"number {number}, of {self.space}: {reason}",
                    f"leave it out, or write it for {space.name}",
                )

    def without(self, space: str, tasks: Collection[str]) -> tuple[Statement, ...]:
        """The principles without those that were found on one of these tasks of a space."""
        return tuple(
            one
            for one in self.principles
            if not any(seen.space == space and seen.task in tasks for seen in one.evidence)
        )

    @property
    def text(self) -> str:
        """The file."""
        found = {"version": self.version, "space": self.space, "principles": [one.as_data for one in self.principles]}
        return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=118)


def read_principles_file(path: Path) -> StatedPrinciples:
    """The principles in a YAML or JSON file. Raises ConfigError with the place of the first fault."""
    try:
        found = value_of(text_of(path))
    except ValueError as error:
        raise ConfigError(f"YAML or JSON in {path}", str(error), "correct that line") from None
    if isinstance(found, dict) and found.get("version") not in (1, None):
        raise ConfigError(
            f"principles of version 1 in {path}", f"version {found['version']!r:.40}", "write it with this LAPT anew"
        )
    try:
        return StatedPrinciples.model_validate(found)
    except ValidationError as error:
        raise fault(error, str(path), StatedPrinciples) from None


def in_line(statements: StatedPrinciples | str | dict[str, Any]) -> Any:
    """The content of a file that is named by its path, so that a pipeline says what it was; anything else as it is."""
    return read_principles_file(Path(statements)) if isinstance(statements, str) else statements


def advisers_in(statements: Sequence[Statement]) -> tuple[str, ...]:
    """The advisers, in the order of their first statement."""
    return tuple(dict.fromkeys(one.adviser for one in statements))
