"""A reasoner without an LLM that looks at the functions of cells: patterns of good ones, and experts' knowledge.

Counting operators edge by edge misleads in three ways: an edge that reaches no output counts as much as one that does,
one function written in fifteen ways counts fifteen times, and an operator is good or bad by the path it lies on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation
from lapt.principles import Count, Kind, Origin, Pattern, Principle, Principles
from lapt.reasoning.evidence import candidates_of, claimed, counted
from lapt.reasoning.expectation import Expectation, background, expectation_of
from lapt.reasoning.experts.grounding import applying
from lapt.search.methods.model_based import one_thread
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.features import Floats
from lapt.spaces.refining import refined

_PENALTY = 0.1
"""scikit-learn's C of the logistic regression, in which each function has weight one: few data decide little alone."""
_CLEARLY = 4.0
"""Standard deviations below chance at which good architectures contradict an expert's principle."""
_SAID = 3
"""Number of features that a principle names."""
_SAMPLED = 2_000
"""Size of the sample of a space too large to list, each time that it is narrowed."""
_LEFT = 50
"""Size of the background below which a space is not refined further: too few members to judge by."""


class Patterns:
    """Logistic regression of the differences between good architectures and their space, joined with experts'
    principles.

    Learning compares the functions of the architectures read, each once however often it is written, with the whole
    space. Both are described by the operators on the paths that stay open (``CellFamily.features``). The weights are
    the principles. Experts' principles (``lapt.reasoning.experts.grounding``) add ``knowledge`` times as much, equal
    parts each. Those that the source's good architectures contradict are not stated (of DARTS, on the surrogate's 10th
    epoch, two of six; on NAS-Bench-201 and TransNAS-Bench-101 none). The sum is the expectation of an architecture.
    Translating keeps, layer by layer, the candidates that leave a product space of at most ``breadth`` of the whole
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
        self.breadth, self.growth, self.knowledge, self.evidence = breadth, growth, knowledge, evidence

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        read = [entry.architecture for entry in archive.entries]
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        learned = self._learned(space, read, archive.task) if self.evidence else ()
        stated = (*self._known(space, read), *learned)
        return self._stated(space, stated, tuple(counted(space, read, archive.task)), origin, self.breadth, None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        """The space that the claims keep."""
        stated = principles.onto(space)
        operators, sources = (stated.candidates(kind, "keep", "try") for kind in ("operator", "source"))
        return refined(space, operators, sources, lambda layer: candidates_of(space, "source", layer))

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        principles = principles.onto(space)
        read = [evaluation.architecture for evaluation in top_architectures]
        archive = short([space.encode(architecture) for architecture in read])
        origin = Origin(reasoner=self.name, step="update", task=task, archive=archive)
        kept = (p for p in principles.principles if p.patterns and p.patterns[0].task != task)
        earlier = (count for count in principles.counts if count.task != task)
        return self._stated(
            space,
            (*kept, *self._learned(space, read, task)),
            (*counted(space, read, task), *earlier),
            origin,
            self._wider(principles, self.growth),
            principles,
        )

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        principles = principles.onto(space)
        origin = principles.origin.model_copy(update={"step": "explore", "task": task, "reasoner": self.name})
        kept = tuple(p for p in principles.principles if p.patterns)
        return self._stated(space, kept, principles.counts, origin, self._wider(principles, self.growth**2), principles)

    def _wider(self, principles: Principles, times: float) -> float:
        return min(1.0, (principles.breadth or self.breadth) * times)

    # --- what is learned ---------------------------------------------------------------------------------------------
    def _learned(self, space: SearchSpace, read: Sequence[Architecture], task: str) -> Iterable[Principle]:
        """One principle each for the strongest features of one sign, and one for all the others."""
        known, columns = background(space), len(space.family.feature_names)
        functions = list(dict.fromkeys(space.canonical(architecture) for architecture in read))
        mine = Expectation(space, ()).standardised(functions)[:, :columns]
        weights = separating(mine, known.x[:, :columns])
        patterns = [
            _pattern(name, float(weight), mine[:, at], known.x[:, at], task)
            for at, (name, weight) in enumerate(zip(space.family.feature_names, weights, strict=True))
            if weight
        ]
        for sign, word in ((1, "more"), (-1, "less")):
            alike = sorted((p for p in patterns if p.weight * sign > 0), key=lambda p: -abs(p.weight))
            for part, rest in ((alike[:_SAID], False), (alike[_SAID:], True)):
                if part:
                    yield Principle(statement=_statement(part, word, rest, len(functions), task), patterns=tuple(part))

    def _known(self, space: SearchSpace, read: Sequence[Architecture]) -> Iterable[Principle]:
        experts, known, first = applying(space), background(space), len(space.family.feature_names)
        if not experts or not self.knowledge:
            return
        functions = list(dict.fromkeys(space.canonical(architecture) for architecture in read))
        mine = Expectation(space, ()).standardised(functions)[:, first : first + len(experts)]
        theirs = known.x[:, first : first + len(experts)]
        # Held by as many as they are, each says as much as the others: what is rare says no more.
        worth = known.scale[first : first + len(experts)]
        worth = self.knowledge * worth / (theirs @ worth).std()
        for at, expert in enumerate(experts):
            if self.evidence and contradicted(mine[:, at], theirs[:, at]):
                continue
            pattern = _pattern(expert.statement, float(worth[at]), mine[:, at], theirs[:, at], EXPERTS_SAY)
            yield Principle(statement=expert.statement, rationale=f"{expert.source}.", patterns=(pattern,))

    # --- what is made of it ------------------------------------------------------------------------------------------
    def _stated(
        self,
        space: SearchSpace,
        patterns: Sequence[Principle],
        counts: tuple[Count, ...],
        origin: Origin,
        breadth: float,
        parent: Principles | None,
    ) -> Principles:
        stated = Principles(
            space=space.name,
            principles=tuple(patterns),
            counts=counts,
            origin=origin,
            version=1 if parent is None else parent.version + 1,
            parent=None if parent is None else parent.id,
            breadth=breadth,
        )
        promising = promising_by(space, expectation_of(space, stated), breadth)
        kept = tuple(_kept(space, promising, stated))
        return stated.model_copy(update={"principles": (*patterns, *kept)})


EXPERTS_SAY = "experts"
"""Name in place of a task for experts' principles."""


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


def promising_by(space: SearchSpace, expectation: Expectation, breadth: float) -> SearchSpace:
    """``most_promising`` by an expectation.

    A sample of a space too large to list can tell a hundredth apart at best. So the kept space is sampled and narrowed
    again, until it is at most ``breadth`` of ``space``.
    """
    found = most_promising(space, expectation.over_background(), breadth)
    rng = np.random.default_rng(0)
    while space.size > ENUMERABLE and found.size > breadth * space.size:
        members = tuple(found.sample(rng) for _ in range(_SAMPLED))
        narrower = most_promising(found, expectation(members), breadth * space.size / found.size, members)
        if narrower == found:
            break
        found = narrower
    return found


def most_promising(
    space: SearchSpace, expected: Floats, breadth: float, members: Sequence[Architecture] | None = None
) -> SearchSpace:
    """The product space of at most ``breadth`` of ``space`` with a high mean expectation.

    ``expected``: of ``members``, or of every member of its background if unset. Greedy: each step leaves out the
    candidate whose loss raises the mean most, relative to the logarithm of the factor by which the space shrinks.
    """
    members = background(space).members if members is None else members
    choices: dict[tuple[int, Kind, str], npt.NDArray[np.bool_]] = {}
    for at, layer in enumerate(space.layers):
        for operator in layer.operators:
            choices[at, "operator", operator] = np.array([m.operators[at] == operator for m in members])
        if len(layer.sources) > 1:
            for source in layer.sources:
                choices[at, "source", source] = np.array([m.sources[at] == source for m in members])
    kept, inside = dict(choices), np.ones(len(members), dtype=bool)
    while (size := int(inside.sum())) > max(breadth * len(members), 1) and size > _LEFT * (len(members) < space.size):
        mean, found = float(expected[inside].mean()), []
        alone = Counter(choice[:2] for choice in kept)
        for choice, has in kept.items():
            if alone[choice[:2]] == 1:
                continue
            left = inside & ~has
            remaining = int(left.sum())
            if 0 < remaining < size:
                gain = (float(expected[left].mean()) - mean) / float(np.log(size / remaining))
                found.append((gain, choice, left))
        if not found:
            break
        _, out, inside = max(found, key=lambda one: one[0])
        del kept[out]

    def candidates(kind: Kind) -> Mapping[str, list[str]]:
        return {
            layer.name: [c for (where, what, c) in kept if where == at and what == kind]
            for at, layer in enumerate(space.layers)
            if kind == "operator" or len(layer.sources) > 1
        }

    sources = candidates("source")
    return refined(space, candidates("operator"), sources, lambda layer: candidates_of(space, "source", layer))


def _kept(space: SearchSpace, promising: SearchSpace, stated: Principles) -> Iterable[Principle]:
    """Claims of a refined space: a principle for each layer that lost a candidate."""
    kinds: tuple[Kind, Kind] = ("operator", "source")
    for before, after in zip(space.layers, promising.layers, strict=True):
        for kind in kinds:
            kept = candidates_of(promising, kind, after.name)
            lost = [c for c in candidates_of(space, kind, before.name) if c not in kept]
            if not lost:
                continue
            evidence = stated.evidence(kind, before.name)
            claims = tuple(claimed(evidence[candidate], "keep") for candidate in kept)
            chosen = ", ".join(f"{c.candidate} ({c.count} of {c.of} chose it)" for c in claims)
            yield Principle(statement=f"On layer {before.name}: {chosen}; without {', '.join(lost)}.", claims=claims)


def _pattern(feature: str, weight: float, good: Floats, space: Floats, task: str) -> Pattern:
    """The pattern of one feature. ``good``, ``space``: its values for n and N architectures, standardised over the
    space."""
    sign = 1.0 if weight >= 0 else -1.0
    shares = (float((sign * values > 0).mean()) for values in (good, space))
    support, chance = (round(share, 4) for share in shares)
    return Pattern(feature=feature, weight=round(weight, 6), support=support, chance=chance, task=task)


def _statement(patterns: Sequence[Pattern], word: str, rest: bool, functions: int, task: str) -> str:
    named = ", ".join(f"{p.feature} ({p.support:.0%} against {p.chance:.0%})" for p in patterns[:_SAID])
    if rest:
        others = f"{len(patterns)} others, first " if len(patterns) > _SAID else ""
        return f"Less clearly, {word} of {others}{named}."
    side = "above" if word == "more" else "below"
    among = f"{functions} function{'s' if functions > 1 else ''}"
    means = f"% of them {side} the mean of the space, against "
    first = named.replace("% against ", means, 1).replace("%)", "% of the space)", 1)
    return f"Good architectures of {task} ({among}) have {word} of {first}."
