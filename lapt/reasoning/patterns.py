"""A reasoner without an LLM that looks at the functions of cells: patterns of good ones, and experts' knowledge.

Counting operators edge by edge misleads in three ways: an edge that reaches no output counts as much as one that does,
one function written in fifteen ways counts fifteen times, and an operator is good or bad by the path it lies on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.conditions.sentences import sentence
from lapt.principles import EXPERTS_SAY, Origin, Pattern, Principle, Principles
from lapt.reasoning.evidence import counted
from lapt.reasoning.expectation import Expectation, background
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.findings import Finding, findings
from lapt.reasoning.ordering import Ordering
from lapt.search.methods.model_based import one_thread
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.features import Floats

_PENALTY = 0.1
"""scikit-learn's C of the logistic regression, in which each function has weight one: few data decide little alone."""
_CLEARLY = 4.0
"""Standard deviations below chance at which good architectures contradict an expert's principle."""
_SAID = 3
"""Number of features of each sign that the regression names."""


class Patterns(Ordering):
    """Logistic regression of the differences between good architectures and their space, joined with experts'
    principles.

    Learning compares the functions of the architectures read, each once however often it is written, with the whole
    space. Both are described by the operators on the paths that stay open (``CellFamily.features``). The weights are
    the principles. For readers, conditions are stated beside them (``lapt.reasoning.findings``), which the half of the
    architectures that was not used to find them confirms. Experts' principles (``lapt.reasoning.experts.grounding``)
    add ``knowledge`` times as much, equal parts each. Those that the source's good architectures contradict are not
    stated (of DARTS, on the surrogate's 10th epoch, two of six; on NAS-Bench-201 and TransNAS-Bench-101 none). The sum
    is the expectation of an architecture. Translating keeps, layer by layer, the candidates that leave a product space
    of at most ``breadth`` of the whole
    with the highest mean expectation, greedily.

    Adapting: an update adds the target's top architectures as a second task, with the weight of the source. Every
    update and exploration widens the space ``growth`` times (an exploration twice over), since the target's own
    evidence is worth more with every iteration. Without ``evidence`` nothing is learned of the source, and experts
    speak alone until the target has data: a control, which transferred knowledge must beat. Deterministic.
    """

    name = "patterns"

    def __init__(
        self, *, breadth: float = 0.015, growth: float = 20.0, knowledge: float = 1.0, evidence: bool = True
    ) -> None:
        super().__init__(breadth=breadth, growth=growth)
        self.knowledge, self.evidence = knowledge, evidence

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        read = [entry.architecture for entry in archive.entries] if archive.space.name == space.name else []
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        learned = self.learned(space, read, archive.task) if self.evidence else ()
        stated = (*self._known(space, read), *learned)
        return self.stated(space, stated, tuple(counted(space, read, archive.task)), origin, self.breadth, None)

    # --- what is learned ---------------------------------------------------------------------------------------------
    def learned(self, space: SearchSpace, read: Sequence[Architecture], task: str) -> Iterable[Principle]:
        """Findings, which a reader can follow, and the regression, which orders the space."""
        known, columns = background(space), len(space.family.feature_names)
        functions = list(dict.fromkeys(space.canonical(architecture) for architecture in read))
        for found in findings(space, read):
            yield principle_of(found, task)
        mine = Expectation(space, ()).standardised(functions)[:, :columns]
        weights = separating(mine, known.x[:, :columns])
        patterns = [
            pattern_of(name, float(weight), mine[:, at], known.x[:, at], task)
            for at, (name, weight) in enumerate(zip(space.family.feature_names, weights, strict=True))
            if weight
        ]
        if patterns:
            patterns.sort(key=lambda pattern: -abs(pattern.weight))
            yield Principle(statement=regression_said(patterns, len(functions), task), patterns=tuple(patterns))

    def _known(self, space: SearchSpace, read: Sequence[Architecture]) -> Iterable[Principle]:
        experts, known, first = applying(space), background(space), len(space.family.feature_names)
        if not experts or not self.knowledge:
            return
        functions = list(dict.fromkeys(space.canonical(architecture) for architecture in read))
        mine = Expectation(space, ()).standardised(functions)[:, first : first + len(experts)]
        theirs, worth = known.x[:, first : first + len(experts)], self.knowledge * worth_of_experts(space)
        for at, expert in enumerate(experts):
            if self.evidence and len(mine) and contradicted(mine[:, at], theirs[:, at]):
                continue
            pattern = pattern_of(expert.statement, float(worth[at]), mine[:, at], theirs[:, at], EXPERTS_SAY)
            yield Principle(statement=expert.statement, rationale=f"{expert.source}.", patterns=(pattern,))


def worth_of_experts(space: SearchSpace) -> Floats:
    """K weights of the experts' principles that apply to ``space``; their weighted sum has deviation 1 over it."""
    known, first = background(space), len(space.family.feature_names)
    columns = slice(first, first + len(applying(space)))
    # Held by as many as they are, each says as much as the others: what is rare says no more.
    worth = known.scale[columns]
    return np.asarray(worth / (known.x[:, columns] @ worth).std())


def contradicted(good: Floats, space: Floats) -> bool:
    """Whether n good architectures have a property clearly less often than N of their space.

    Both are indicators, on any scale. The threshold is ``_CLEARLY`` deviations, by the normal approximation of the
    binomial.
    """
    deviation = float(space.std()) / np.sqrt(len(good))
    return bool(good.mean() < space.mean() - _CLEARLY * deviation)


def separating(good: Floats, space: Floats) -> Floats:
    """F weights of a logistic regression that tells n x F good architectures from N x F of the space.

    They are scaled so that the sum of weighted features has standard deviation 1 over the space (0 if nothing
    separates).
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # a second to import

    x = np.vstack([good, space])
    label = np.repeat([1, 0], [len(good), len(space)])
    weight = np.repeat([1.0, len(good) / len(space)], [len(good), len(space)])
    with one_thread():
        fitted = LogisticRegression(C=_PENALTY, max_iter=2000).fit(x, label, sample_weight=weight)
    weights = np.asarray(fitted.coef_[0], dtype=np.float64)
    spread = float((space @ weights).std())
    return weights / spread if spread > 1e-9 else np.zeros_like(weights)


def pattern_of(feature: str, weight: float, good: Floats, space: Floats, task: str) -> Pattern:
    """The pattern of one feature. ``good``, ``space``: its values for n and N architectures, standardised over the
    space."""
    sign = 1.0 if weight >= 0 else -1.0
    shares = (float((sign * values > 0).mean()) if len(values) else 0.0 for values in (good, space))
    support, chance = (round(share, 4) for share in shares)
    return Pattern(
        feature=feature, weight=round(weight, 6), support=support, chance=chance, task=task, unread=not len(good)
    )


def principle_of(finding: Finding, task: str) -> Principle:
    """The principle of a finding. Its weight is 0: the regression orders, and the finding tells a reader of it."""
    said = sentence(finding.condition)
    pattern = Pattern(
        feature=said,
        weight=0.0,
        support=round(finding.support, 4),
        chance=round(finding.base_rate, 4),
        task=task,
        condition=finding.condition,
    )
    rationale = f"Found in one half of the good cells of {task}. In the other, odds at least {finding.bound:.1f} times."
    return Principle(statement=said, rationale=rationale, patterns=(pattern,))


def regression_said(patterns: Sequence[Pattern], functions: int, task: str) -> str:
    """The regression in words: the features of most weight. ``patterns``: the heaviest first."""
    more, less = (
        [f"{p.feature} ({p.support:.0%} against {p.chance:.0%})" for p in patterns if p.weight * sign > 0][:_SAID]
        for sign in (1, -1)
    )
    said = " and ".join(f"{word} of {', '.join(named)}" for word, named in (("more", more), ("less", less)) if named)
    among = f"{functions} function{'s' if functions > 1 else ''}"
    return f"All together, good architectures of {task} ({among}) have {said} than the mean of the space."
