"""A language model that proposes the architectures themselves (GENIUS, Zheng et al. 2023).

It is a baseline for principles: it is shown the reasoner's data, and the scores of its own proposals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from lapt.archive import Archive
from lapt.evaluation import top
from lapt.reasoning.endpoint.calls import Caller, Question, ReasonerError, Unusable
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.conditional.reasoner import source_of
from lapt.reasoning.language.conditional.stating import architectures_schema, read_architectures
from lapt.reasoning.language.conditional.survey import Survey
from lapt.reasoning.language.parts import EVERY_PART, PromptParts
from lapt.reasoning.language.replies import proposals_schema, read_proposals
from lapt.reasoning.prompts.templates import rendered
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace

_Read = Callable[[str], list[Architecture]]


class Direct(Searcher):
    """A search method that asks a chat model for the next architectures, in view of all scores so far.

    Repeats are skipped. Missing architectures are drawn uniformly; ``filled`` counts them. A reply that stays invalid
    raises ReasonerError if ``strict``, else all of its architectures are drawn.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        caller: Caller,
        archive: Archive,
        task: str,
        seed: int | Sequence[int],
        parts: PromptParts = EVERY_PART,
        strict: bool = True,
        identity: Callable[[Architecture], str] | None = None,
    ) -> None:
        super().__init__(space, seed=seed, identity=identity)
        self.filled = 0
        self._caller, self._archive, self._task, self._strict = caller, archive, task, strict
        self._parts = parts
        self._brief = Briefing.of(space, parts, caller.sample)
        self._proposed: deque[Architecture] = deque()

    def ask(self, n: int) -> list[Architecture]:
        """The next architectures. Raises ReasonerError without a reply, BudgetSpent before a call over the limit."""
        proposed = self._asked_for(n)
        self._proposed = deque(proposed)
        asked = super().ask(n)
        self.filled += sum(architecture not in proposed for architecture in asked)
        return asked

    def propose(self) -> Architecture:
        return self._proposed.popleft() if self._proposed else self.space.sample(self.rng)

    def _asked_for(self, n: int) -> list[Architecture]:
        conditions = self._parts.form == "conditions"
        question, read = self._in_conditions(n) if conditions else self._in_layers(n)
        try:
            return self._caller.ask(question, read)
        except Unusable as fault:
            if self._strict:
                raise ReasonerError(
                    f"architectures of {self.space.name} from {self._caller.model.name}",
                    f"{fault}",
                    fault.remedy or "name a stronger model, or say on_invalid: frequency to draw them at random",
                ) from None
            return []

    def _in_layers(self, n: int) -> tuple[Question, _Read]:
        brief, archive = self._brief, self._archive
        prompt = rendered(
            "propose",
            **brief.variables(),
            cells=brief.cells(archive.entries, scores=False),
            chosen_from=f"{archive.chosen_from:,}",
            source=brief.task(archive.task),
            tried=brief.cells(top(self.history, len(self.history)), scores=True),
            task=brief.task(self._task),
            wanted=n,
        )
        question = Question("propose", self._task, prompt, proposals_schema(self.space, brief.words))
        return question, lambda text: read_proposals(text, self.space, brief.words)

    def _in_conditions(self, n: int) -> tuple[Question, _Read]:
        survey = Survey(self.space, self._brief.words, self._parts)
        best = top(self.history, len(self.history))
        prompt = rendered(
            "conditions/propose",
            **survey.variables(),
            **source_of(survey, self._archive),
            target=survey.target(best, self.history) if best else None,
            task=survey.task(self._task),
            wanted=n,
        )
        question = Question("propose", self._task, prompt, architectures_schema(self.space, survey.words, n))
        return question, lambda text: read_architectures(text, self.space, survey.words)
