"""A language model that proposes the architectures themselves (GENIUS, Zheng et al. 2023).

It is a baseline for principles: it is shown the reasoner's data, and the scores of its own proposals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from lapt.archive import Archive
from lapt.evaluation import top
from lapt.reasoning.endpoint.calls import Caller, Question, ReasonerError, Unusable
from lapt.reasoning.language.briefing import EVERY_PART, Briefing, PromptParts
from lapt.reasoning.language.replies import proposals_schema, read_proposals
from lapt.reasoning.prompts.templates import rendered
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace


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
        try:
            return self._caller.ask(question, lambda text: read_proposals(text, self.space, brief.words))
        except Unusable as fault:
            if self._strict:
                raise ReasonerError(
                    f"architectures of {self.space.name} from {self._caller.model.name}",
                    f"{fault}",
                    fault.remedy or "name a stronger model, or say on_invalid: frequency to draw them at random",
                ) from None
            return []
