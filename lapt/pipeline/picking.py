"""The choice of an architecture from the front of two objectives: the best score that meets bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from lapt.errors import ConfigError, or_meant
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import Found, FrontPoint

_LIMIT = re.compile(r"\s*(?P<name>[^<>=,]*[^<>=,\s])\s*(?P<sign><=?)\s*(?P<most>[^<>=,\s]+)\s*")


class Limit(NamedTuple):
    """An upper bound on an objective. ``strict``: the bound itself does not meet it."""

    name: str
    most: float
    strict: bool

    def excess(self, value: float) -> float:
        """The distance from ``value`` to the bound, relative to it; 0 at the bound and below."""
        return max(value - self.most, 0.0) / (abs(self.most) or 1.0)

    def met(self, value: float) -> bool:
        return value < self.most if self.strict else value <= self.most

    def __str__(self) -> str:
        return f"{self.name}{'<' if self.strict else '<='}{self.most:.10g}"


def limits_of(text: str) -> tuple[Limit, ...]:
    """The limits in a text such as ``latency_ms<5``, several with commas. Raises ConfigError."""
    found = []
    for part in text.split(","):
        match = _LIMIT.fullmatch(part)
        try:
            most = float(match["most"]) if match else math.nan
        except ValueError:
            most = math.nan
        if match is None or not math.isfinite(most):
            raise ConfigError(
                "--pick NAME<NUMBER or NAME<=NUMBER, several with commas", repr(part), "write as latency_ms<5"
            )
        found.append(Limit(match["name"], most, match["sign"] == "<"))
    return tuple(found)


def picked(found: Found, pipeline: Pipeline, limits: Sequence[Limit]) -> FrontPoint:
    """The point of the front with the best score among those that meet all limits.

    Raises ConfigError: one objective, an unknown name, and a front of which nothing meets them, which names the
    nearest.
    """
    if not pipeline.objectives:
        raise ConfigError(
            "a run with two objectives, to pick from its front",
            f"{pipeline.name}, whose only objective is {found.metric}",
            "leave --pick out, or run it with objectives: [SCORE, QUANTITY]",
        )
    score, quantity = pipeline.objectives
    for limit in limits:
        if limit.name not in pipeline.objectives:
            raise ConfigError(
                f"--pick of {score} or {quantity}",
                limit.name,
                or_meant(limit.name, pipeline.objectives, "name one of the run's objectives"),
            )

    def values(point: FrontPoint) -> list[tuple[Limit, float]]:
        return [(limit, point.validation if limit.name == score else point.cost) for limit in limits]

    wanted = f"an architecture on the front of {found.task} with {' and '.join(map(str, limits))}"
    if not found.front:
        raise ConfigError(wanted, "an empty front: no evaluation has a score and a cost", "export another target")
    meeting = [point for point in found.front if all(limit.met(value) for limit, value in values(point))]
    if not meeting:
        near = min(found.front, key=lambda point: sum(limit.excess(value) for limit, value in values(point)))
        raise ConfigError(wanted, f"none; the nearest is {described(near, found, pipeline)}", "allow more")
    sign = 1 if found.higher_is_better else -1
    return max(meeting, key=lambda point: sign * point.validation)


def described(point: FrontPoint, found: Found, pipeline: Pipeline) -> str:
    """A point of a front with its values and its number."""
    score, quantity = pipeline.objectives
    unit = f" {found.unit}" if found.unit else ""
    return (
        f"evaluation {point.evaluation} with {score} {point.validation:.4g}{unit} and {quantity} {point.cost:,.4g}: "
        f"{point.architecture}"
    )
