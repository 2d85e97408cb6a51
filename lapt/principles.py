"""Design principles: sentences for people that are also claims as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lapt.digests import short
from lapt.errors import SpaceError
from lapt.spaces import SearchSpace

Effect = Literal["keep", "try", "set_aside"]
"""keep: good architectures choose it; try: not spoken of before, to be explored; set_aside: replaced in exploration."""


class Count(BaseModel):
    """How often a candidate was chosen on a layer among the architectures of a task that were read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: str
    kind: Literal["operator", "source"]
    candidate: str
    count: int
    of: int
    task: str


class Claim(Count):
    """One statement as data: on ``layer``, ``candidate`` (an operator or a source) has ``effect``.

    The count is its support.
    """

    effect: Effect


class Principle(BaseModel):
    """A statement in plain language and the claims it makes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: str
    claims: tuple[Claim, ...]


class Origin(BaseModel):
    """Where principles came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasoner: str
    step: Literal["learn", "update", "explore", "transfer"]
    task: str
    archive: str
    """Digest of the architectures that were read."""
    iteration: int = 0
    prompt_hash: str | None = None


class Principles(BaseModel):
    """A frozen set of principles for one space. Its id is the hash of its content.

    ``counts`` is the evidence they were drawn from, the newest task's first, candidates that no principle speaks of
    included; ``dropped`` lists what did not carry over from another space.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    space: str
    principles: tuple[Principle, ...]
    counts: tuple[Count, ...] = ()
    origin: Origin
    version: int = 1
    parent: str | None = None
    dropped: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        return short(self.model_dump(mode="json"))

    @property
    def claims(self) -> Iterable[Claim]:
        return (claim for principle in self.principles for claim in principle.claims)

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

    def onto(self, space: SearchSpace) -> Principles:
        """The same principles for another space: layers by role (name), operators by name; the rest is dropped.

        ``dropped`` lists what was left behind. Raises SpaceError when nothing that a layer should keep exists in
        ``space``, since an empty layer refines nothing. Returns itself when it already speaks of ``space``.
        """
        if self.space == space.name:
            return self
        dropped: list[str] = []

        def exists(kind: str, layer: str, candidate: str) -> bool:
            if layer not in space.layer_names:
                return False
            at = space.layer(layer)
            return candidate in (at.operators if kind == "operator" else at.sources)

        kept = []
        for principle in self.principles:
            claims = tuple(c for c in principle.claims if exists(c.kind, c.layer, c.candidate))
            gone = [c for c in principle.claims if c not in claims]
            dropped += [f"{c.layer}: {c.candidate} ({c.effect}, {c.count} of {c.of})" for c in gone]
            if not any(c.effect in ("keep", "try") for c in claims):
                wanted = sorted({c.candidate for c in principle.claims if c.effect in ("keep", "try")})
                raise SpaceError(
                    f"principles whose candidates exist in {space.name}",
                    f"{principle.statement!r} of {self.space}, none of whose {wanted} exists there",
                    "choose a source space that shares operators and layers with the target space",
                )
            kept.append(principle.model_copy(update={"claims": claims}))
        return Principles(
            space=space.name,
            principles=tuple(kept),
            counts=tuple(c for c in self.counts if exists(c.kind, c.layer, c.candidate)),
            origin=self.origin.model_copy(update={"step": "transfer"}),
            version=self.version + 1,
            parent=self.id,
            dropped=tuple(dropped),
        )
