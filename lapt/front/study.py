"""A transfer as ask and tell, for callers that evaluate by themselves. ``transfer`` is built on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lapt.archive import Archive
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator, best
from lapt.front.result import Found, Result
from lapt.front.scored import OwnEvaluator, Written
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.principles import Principles
from lapt.search import Searcher
from lapt.spaces import Architecture, SearchSpace


class _Watched(TargetSearch):
    """A target's search that keeps the principles and the refined space of each iteration."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.stated: list[tuple[int, Principles]] = []
        self.spaces: list[tuple[int, SearchSpace, str]] = []

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        refined = super().refine(principles, g)
        self.spaces.append((g, refined, principles.id))
        return refined

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        adapted, base = super().adapt(principles, base, best_found, evaluations, g)
        if adapted is not principles:
            self.stated.append((g, adapted))
        return adapted, base


class Study:
    """A search that is asked for architectures and told their scores; made by ``lapt.ask_tell``.

    Architectures that were asked for and not told yet count as asked: they are not proposed again. An iteration ends
    when all of its scores are told, so ``ask`` may return fewer than wanted, and none while scores are awaited. A study
    can be pickled at any time: it is replayed from what was asked and told.

    Examples:
        >>> import lapt
        >>> study = lapt.ask_tell(source=lapt.table("invented", "invented_source"), budget=6, method="rea")
        >>> while not study.done:
        ...     for architecture in study.ask(2):
        ...         study.tell(architecture, str(architecture).count("nor_conv_3x3"))
        >>> study.result().score
        5.0
    """

    def __init__(
        self,
        steps: Steps,
        evaluator: Evaluator,
        learned: Principles,
        archive: Archive | None,
        budget: int,
    ) -> None:
        self.steps, self.evaluator, self.learned, self.archive, self.budget = steps, evaluator, learned, archive, budget
        self._log: list[tuple[str, Any]] = []
        self._begin()

    def _begin(self) -> None:
        self._search = _Watched(self.steps, self.evaluator, self.archive)
        self._loop = self._search.iterations(self.learned)
        self._began = datetime.now(UTC)
        self.evaluations: list[Evaluation] = []
        """All evaluations told, in that order."""
        self._iteration_of: list[int] = []
        self._asked = self._left = 0
        self._first: list[Architecture] = []
        self._pending: dict[str, Written] = {}
        self.done = False
        """Whether the budget is spent, or the space exhausted."""
        self._next(None)

    @property
    def space(self) -> SearchSpace:
        """The whole space."""
        return self.steps.space

    def ask(self, n: int = 1) -> list[Written]:
        """Up to ``n`` architectures to evaluate, none of which was asked for before."""
        self._log.append(("ask", n))
        found: list[Written] = []
        while len(found) < n and not self.done:
            wanted = min(n - len(found), self._left)
            if not self._first and wanted:
                self._start()
                new = self._searcher.ask(wanted)
                if not new:  # exhausted: this iteration ends with what is awaited
                    self._left = 0
            else:
                new, self._first = self._first[:wanted], self._first[wanted:]
            self._left -= len(new)
            self._asked += len(new)
            for architecture in new:
                written = Written.of(self.space, architecture)
                self._pending[str(written)] = written
                found.append(written)
            if not new and not self._ended():
                break
        return found

    def tell(self, architecture: Architecture | str, value: float | None) -> None:
        """Bring the score of an architecture that was asked for; None or NaN where it failed. In any order.

        Raises ConfigError for one that is not awaited, and for what is no number.
        """
        text = architecture if isinstance(architecture, str) else self.space.encode(architecture)
        if text not in self._pending:
            waiting = ", ".join(self._pending) or "none"
            raise ConfigError(f"an architecture that was asked for and not told ({waiting})", text, "tell one of them")
        assert isinstance(self.evaluator, OwnEvaluator)
        self.evaluator.brought = value
        self.evaluate(self._pending[text])

    def evaluate(self, architecture: Architecture) -> Evaluation:
        """Score an architecture that was asked for with the study's own evaluator."""
        (evaluation,) = self.evaluator.evaluate([architecture])
        return self._told(self.space.encode(architecture), evaluation)

    def _told(self, text: str, evaluation: Evaluation) -> Evaluation:
        self._log.append(("tell", (text, evaluation)))
        del self._pending[text]
        self.evaluations.append(evaluation)
        self._iteration_of.append(self._g)
        self._found.append(evaluation)
        if self._started:
            self._searcher.tell([evaluation])
        self._ended()
        return evaluation

    def result(self) -> Result:
        """The outcome so far."""
        search = self._search
        found = Found(
            tuple(self.evaluations),
            tuple(self._iteration_of),
            self._began,
            (datetime.now(UTC) - self._began).total_seconds(),
        )
        return Result(
            steps=search.steps,
            evaluator=self.evaluator,
            learned=self.learned,
            archive=self.archive,
            found=found,
            adapted=tuple(search.stated),
            refined=tuple(search.spaces),
        )

    @property
    def incumbent(self) -> Evaluation | None:
        """The best evaluation so far."""
        return best(self.evaluations)

    # --- the iterations ----------------------------------------------------------------------------------------------
    def _next(self, found: list[Evaluation] | None) -> None:
        """Go on to the next iteration, with the evaluations of the one that ended."""
        try:
            refined, history, self._g = next(self._loop) if found is None else self._loop.send(found)
        except StopIteration:
            self.done = True
            return
        self._history = history
        self._found: list[Evaluation] = []
        self._searcher: Searcher
        self._searcher, first = self._search.searcher(refined, history, self._g)
        search = self._search.steps.pipeline.search
        self._left = min(search.budget(self._g), self.budget - self._asked)
        self._first, self._started = list(first[: self._left]), False

    def _start(self) -> None:
        """Tell the search method the evaluations so far, once in an iteration."""
        if not self._started:
            self._searcher.tell([*self._history, *self._found])
            self._searcher.reserve(list(self._pending.values()))
            self._started = True

    def _ended(self) -> bool:
        """Whether the iteration came to its end, and the next began."""
        if self.done or self._left or self._pending:
            return False
        self._search.count(self._searcher)
        if not self._found or self._asked >= self.budget:
            self._loop.close()
            self.done = True
        else:
            self._next(self._found)
        return True

    # --- pickle ------------------------------------------------------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        made = ("steps", "evaluator", "learned", "archive", "budget")
        return {name: getattr(self, name) for name in made} | {"_log": self._log}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _log=[])
        log = state["_log"]
        self._begin()
        for what, given in log:
            if what == "ask":
                self.ask(given)
            else:
                self._told(*given)
