"""Conditions in a user's file, with the figures that speak for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lapt.base.declarations import text_of, value_of
from lapt.conditions.cells import Cells
from lapt.conditions.judging import Evidence, evidence_of
from lapt.conditions.language import Condition, condition_of, declared
from lapt.conditions.sentences import sentence
from lapt.errors import ConfigError, SpaceError
from lapt.spaces import Architecture, SearchSpace


@dataclass(frozen=True)
class Judged:
    """A condition of a user's, and its evidence. Without architectures that were read there is a base rate alone."""

    condition: Condition
    evidence: Evidence

    @property
    def as_data(self) -> dict[str, Any]:
        """The sentence, the condition and its figures."""
        read = bool(self.evidence.of)
        return {
            "statement": sentence(self.condition),
            "condition": declared(self.condition),
            "base_rate": self.evidence.base_rate,
            "support": self.evidence.support if read else None,
            "lift": self.evidence.lift if read and np.isfinite(self.evidence.lift) else None,
            "of": self.evidence.of,
        }


def judged(path: Path, space: SearchSpace, read: Sequence[Architecture] | None = None) -> list[Judged]:
    """The conditions in a YAML or JSON file, one or a list, judged in a space, a whole one.

    ``read``: good architectures. Raises ConfigError, with the place, for what is no condition, and for a condition that
    names what the space does not have.
    """
    try:
        parsed = value_of(text_of(path))
    except ValueError as error:
        raise ConfigError(f"YAML or JSON in {path}", str(error), "correct that line") from None
    found, cells = [], Cells.of(space, read or ())
    for at, one in enumerate(parsed if isinstance(parsed, list) else [parsed], start=1):
        try:
            condition = condition_of(one)
            found.append(Judged(condition, evidence_of(condition, cells, space)))
        except SpaceError as error:
            raise ConfigError(f"{error.expected}, in condition {at} of {path}", error.got, error.remedy) from None
        except ValueError as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            remedy = "lapt principles schema prints what can be said"
            got = " ".join(said.removeprefix("Value error, ").split())
            raise ConfigError(f"a condition as number {at} of {path}", got, remedy) from None
    return found
