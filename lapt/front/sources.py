"""The archive that principles are learned from, made of a caller's knowledge of a source task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lapt.archive import Archive, best_of_all
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric, top
from lapt.evaluators import TableEvaluator
from lapt.front.scored import number_of
from lapt.pipeline.config import RandomArchive, Source, TopArchive
from lapt.principles import Principles
from lapt.spaces import Architecture, SearchSpace

READ = 50
"""Number of a table's architectures that are read, as in the paper."""
SOURCE = "source"
"""Name of the source task for scores that a caller brings."""


def source_of(given: Any, space: SearchSpace, metric: Metric) -> tuple[Archive | Principles, Source]:
    """The archive, or the principles themselves, and the declaration of the source.

    Of a table's task the best 50 are read. Of (architecture, score) pairs the best tenth is read, but at least 10
    and at most 50; scores are better in the direction of ``metric``. Raises ConfigError for anything else.
    """
    if isinstance(given, TableEvaluator):
        archive = best_of_all(space, given, READ)
        return archive, Source(task=given.task, archive=TopArchive(size=len(archive.entries)))
    if isinstance(given, Principles):
        return given, Source(task=given.origin.task or SOURCE)
    evaluations = [_evaluation(pair, space, metric) for pair in _pairs(given)]
    size = min(READ, max(10, len(evaluations) // 10))
    entries = tuple(top(evaluations, size))
    if not entries:
        raise ConfigError("a source with a score of some architecture", f"{len(evaluations)} without", "add scores")
    archive = Archive(space, SOURCE, entries, asked=tuple(evaluations), chosen_from=len(evaluations))
    drawn = RandomArchive(strategy="random", size=len(entries), samples=len(evaluations))
    return archive, Source(task=SOURCE, archive=drawn)


def _pairs(given: Any) -> list[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(
            "a source: lapt.table(NAME, TASK), a list of (architecture, score), or principles",
            f"{given!r:.60}",
            "give one of them",
        )
    return list(given)


def _evaluation(pair: Any, space: SearchSpace, metric: Metric) -> Evaluation:
    try:
        written, score = pair
    except (TypeError, ValueError):
        raise ConfigError("(architecture, score) in the source", f"{pair!r:.60}", "give pairs") from None
    architecture = space.decode(written) if isinstance(written, str) else Architecture(*written)
    value = number_of(score)
    identity = space.encode(space.canonical(architecture))
    return Evaluation(architecture, identity, value, metric, error=None if value is not None else "no score")
