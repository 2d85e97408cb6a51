"""Design principles: sentences for people that are also claims as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lapt.base.declarations import Frozen, added
from lapt.base.digests import short
from lapt.conditions.judging import fits
from lapt.conditions.language import Condition
from lapt.errors import SpaceError
from lapt.spaces import SearchSpace

Kind = Literal["operator", "source"]
Effect = Literal["keep", "try", "set_aside", "avoid"]
"""The effect of a claim on a candidate.

keep: good architectures choose it. try: no principle named it before, and it is to be explored. set_aside: exploration
replaced it by others. avoid: good architectures do not choose it."""


class Count(Frozen):
    """The number of architectures, among those read on a task, that choose a candidate on a layer."""

    layer: str
    kind: Kind
    candidate: str
    count: int
    of: int
    task: str


class Claim(Count):
    """One statement as data: on ``layer``, ``candidate`` (an operator or a source) has ``effect``.

    The count is its support.
    """

    effect: Effect


class Pattern(Frozen):
    """A feature of cells that good architectures have more of, or less, than the space has on average.

    ``feature``: a column of ``CellFamily.features`` or of ``lapt.roles.features``, the statement of an expert's
    principle (0 or 1), or the sentence of ``condition`` (0 or 1).
    ``weight``: added to the expectation of an architecture by one standard deviation more of the feature; 0 for a
    finding that tells of the others and adds nothing. The deviation is that over the whole space; the unit is such that
    the expectations of all architectures have mean 0 and deviation 1. ``support`` and ``chance``: the share of the
    architectures read, and of the space, that lie above the space's
    mean (below, for a negative weight). ``task``: the task whose good architectures were read; "experts" for a pattern
    known from elsewhere (``EXPERTS_SAY``).
    """

    feature: str
    weight: float
    support: float
    chance: float
    task: str
    condition: Condition | None = added(None)
    unread: bool = added(False)
    """Whether no architecture was read for it, so that ``support`` says nothing."""


EXPERTS_SAY = "experts"
"""Name in place of a task for patterns of experts' principles."""


class Principle(Frozen):
    """A statement in plain language and the claims it makes.

    ``rationale``: why it should hold, in a language model's words. ``draws``: which of a model's replies made the
    claims, from 0; empty for a reasoner that is asked once. ``adviser``: who states it, of several that are joined.
    """

    statement: str
    claims: tuple[Claim, ...] = ()
    rationale: str = ""
    draws: tuple[int, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    adviser: str = added("")

    @property
    def learned(self) -> bool:
        """Whether it comes from architectures that were read, and was not known before."""
        return not any(pattern.task == EXPERTS_SAY for pattern in self.patterns)

    @property
    def unread(self) -> bool:
        """Whether no architecture was read for any of it, so that ``support`` says nothing."""
        return not self.claims and bool(self.patterns) and all(pattern.unread for pattern in self.patterns)

    @property
    def support(self) -> float:
        """The share of the architectures read that follow the principle, 0..1: mean over its layers, or its patterns.

        It comes from the counts in the claims; for avoided or set-aside candidates, the share that does without them.
        """
        if not self.claims:
            return sum(pattern.support for pattern in self.patterns) / max(len(self.patterns), 1)
        shares: dict[tuple[str, str, bool], float] = {}
        for claim in self.claims:
            at = (claim.layer, claim.kind, claim.effect in ("avoid", "set_aside"))
            shares[at] = shares.get(at, 0.0) + (claim.count / claim.of if claim.of else 0.0)
        return sum(1 - share if avoids else share for (_, _, avoids), share in shares.items()) / len(shares)

    def chance(self, space: SearchSpace) -> float:
        """The support that random architectures of ``space`` would give it, 0..1."""
        if not self.claims:
            return sum(pattern.chance for pattern in self.patterns) / max(len(self.patterns), 1)
        named: dict[tuple[str, Kind, bool], set[str]] = {}
        for claim in self.claims:
            at = (claim.layer, claim.kind, claim.effect in ("avoid", "set_aside"))
            named.setdefault(at, set()).add(claim.candidate)
        shares = []
        for (name, kind, avoids), candidates in named.items():
            layer = space.layer(name)
            share = len(candidates) / len(layer.operators if kind == "operator" else layer.sources)
            shares.append(1 - share if avoids else share)
        return sum(shares) / len(shares)


class Origin(BaseModel):
    """The origin of principles. Unknown fields are ignored: a store may hold fields of earlier versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reasoner: str
    step: Literal["learn", "update", "explore", "transfer"]
    task: str
    archive: str
    """Digest of the architectures that were read."""
    prompt_hash: str | None = None
    instead_of: str | None = None
    """The reasoner whose replies stayed invalid, if another one replaced it."""


class Principles(BaseModel):
    """A frozen set of principles for one space. Its id is the hash of its content.

    ``counts`` is the evidence they were drawn from, the newest task's first; it includes candidates that no principle
    names. ``dropped`` lists the claims that could not be carried over from another space.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    space: str
    principles: tuple[Principle, ...]
    counts: tuple[Count, ...] = ()
    origin: Origin
    version: int = 1
    parent: str | None = None
    dropped: tuple[str, ...] = ()
    breadth: float | None = None
    """The share of the whole space that the refined one may have, for a reasoner that widens it; 0..1."""

    @cached_property
    def id(self) -> str:
        return short(self.model_dump(mode="json"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Principles:
        """As pydantic's. The copy has an id of its own: a cached one would be copied too."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("id", None)
        return copied

    @property
    def claims(self) -> Iterable[Claim]:
        return (claim for principle in self.principles for claim in principle.claims)

    @property
    def ordering(self) -> bool:
        """Whether they have weighted patterns, by which the architectures of a space can be put in order."""
        return any(principle.patterns for principle in self.principles)

    @property
    def spoken(self) -> tuple[Principle, ...]:
        """The principles without the claims of a refined space, which a reasoner that orders a space adds to them."""
        if not self.ordering:
            return self.principles
        return tuple(principle for principle in self.principles if principle.patterns or principle.adviser)

    def candidates(self, kind: str, *effects: Effect) -> dict[str, list[str]]:
        """Per layer, the candidates that claims with one of ``effects`` name, in the order they are named."""
        found: dict[str, list[str]] = {}
        for claim in self.claims:
            if claim.kind == kind and claim.effect in effects:
                named = found.setdefault(claim.layer, [])
                if claim.candidate not in named:
                    named.append(claim.candidate)
        return found

    def evidence(self, kind: str, layer: str) -> Mapping[str, tuple[Count, ...]]:
        """Candidate -> its counts on that layer, the newest task's first."""
        found: dict[str, tuple[Count, ...]] = {}
        for count in self.counts:
            if count.kind == kind and count.layer == layer:
                found[count.candidate] = (*found.get(count.candidate, ()), count)
        return found

    def of_draw(self, draw: int) -> tuple[Principle, ...]:
        """The principles that the ``draw``-th reply stated; all of them if it stated none."""
        return tuple(p for p in self.principles if draw in p.draws) or self.principles

    def onto(self, space: SearchSpace) -> Principles:
        """The same principles for another space: layers by role (name), operators by name; the rest is dropped.

        ``dropped`` lists the claims left behind. Returns itself if these are principles for ``space`` already. Raises
        SpaceError if a layer of ``space`` loses all candidates that it should keep, since an empty layer refines
        nothing.
        """
        if self.space == space.name:
            return self

        def exists(kind: str, layer: str, candidate: str) -> bool:
            if layer not in space.layer_names:
                return False
            at = space.layer(layer)
            return candidate in (at.operators if kind == "operator" else at.sources)

        dropped, kept = [], []
        for principle in self.principles:
            claims = tuple(c for c in principle.claims if exists(c.kind, c.layer, c.candidate))
            gone = [c for c in principle.claims if c not in claims]
            dropped += [f"{c.layer}: {c.candidate} ({c.effect}, {c.count} of {c.of})" for c in gone]
            patterns = []
            for pattern in principle.patterns:
                reason = None if pattern.condition is None else fits(pattern.condition, space)
                if reason is None:
                    patterns.append(pattern)
                else:
                    dropped.append(f"{pattern.feature} ({reason})")
            if claims or patterns or not (principle.claims or principle.patterns):
                kept.append(principle.model_copy(update={"claims": claims, "patterns": tuple(patterns)}))
        kinds: tuple[Kind, Kind] = ("operator", "source")
        for kind in kinds:
            for layer, wanted in self.candidates(kind, "keep", "try").items():
                if layer in space.layer_names and not any(exists(kind, layer, name) for name in wanted):
                    raise SpaceError(
                        f"principles whose candidates exist in {space.name}",
                        f"those of {self.space} for layer {layer}, none of whose {wanted} exists there",
                        "choose a source space that shares operators and layers with the target space",
                    )
        return Principles(
            space=space.name,
            principles=tuple(kept),
            counts=tuple(c for c in self.counts if exists(c.kind, c.layer, c.candidate)),
            origin=self.origin.model_copy(update={"step": "transfer"}),
            version=self.version + 1,
            parent=self.id,
            dropped=tuple(dropped),
            breadth=self.breadth,
        )


def difference(before: Principles, after: Principles) -> dict[str, list[str]]:
    """``gone`` and ``new``: claims as text, in the order they are stated."""

    def said(principles: Principles) -> dict[str, None]:
        claims = [f"{c.layer}: {c.effect.replace('_', ' ')} {c.candidate}" for c in principles.claims]
        unclaimed = [principle.statement for principle in principles.principles if not principle.claims]
        return dict.fromkeys([*claims, *unclaimed])

    first, second = said(before), said(after)
    return {"gone": [c for c in first if c not in second], "new": [c for c in second if c not in first]}
