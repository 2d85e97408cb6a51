"""The language of conditions, as data: leaves that speak of a cell, and what joins them.

A condition is written as JSON or YAML with one key that names its kind::

    {"all": [{"choice": {"layer": "0->3", "operators": ["skip_connect"]}},
             {"path": {"operators": ["nor_conv_3x3"], "at_least": 2}}]}

Names of layers, operators, sources and cells are those of a space. A node is named as the space's sources are, or
``input`` (any input of the cell) or ``output``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

MOST = 6
"""The largest upper bound of counts and lengths on a path. From 7 on they are not told apart."""
DEEPEST = 6
"""The deepest nesting of a condition."""

Name = Annotated[str, Field(min_length=1, max_length=60)]
Names = Annotated[tuple[Name, ...], Field(max_length=40)]


class Part(BaseModel):
    """A part of a condition. Equal parts have equal hashes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions that it joins; none in a leaf."""
        return ()


class Bounds(Part):
    """Bounds of a number, both included. One of them is needed."""

    at_least: int | None = Field(None, ge=0, le=1000)
    at_most: int | None = Field(None, ge=0, le=1000)

    @model_validator(mode="after")
    def _bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("at_least, at_most or both are needed")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least ({self.at_least}) is larger than at_most ({self.at_most})")
        return self


class ChoiceOf(Part):
    """A layer chooses one of the operators, one of the sources, or both. What is empty is left open."""

    layer: Name
    operators: Names = ()
    sources: Names = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.operators and not self.sources:
            raise ValueError("operators, sources or both are needed")
        return self


class CountOf(Bounds):
    """The number of layers that choose one of the operators; of any but zero if none is named.

    ``live``: only layers whose result reaches the output count. ``layers``: only these count. ``into``: only layers
    whose result goes into this node count. ``reads``: only layers that read this node count. ``cell``: only layers of
    this cell count, of a space with several.
    """

    operators: Names = ()
    layers: Names = ()
    into: Name | None = None
    reads: Name | None = None
    cell: Name | None = None
    live: bool = True


class Length(Bounds):
    """Bounds of the number of layers on a path."""

    at_least: int | None = Field(None, ge=1, le=MOST + 1)
    at_most: int | None = Field(None, ge=1, le=MOST)


class PathOf(Part):
    """A way from one node to another through layers that are not zero.

    ``at_least``, ``at_most``: bounds of the number of ``operators`` on it. ``length``: bounds of its number of layers.
    ``only``: operators of which all of it consists.
    """

    start: Name = Field("input", alias="from")
    to: Name = "output"
    operators: Names = ()
    at_least: int | None = Field(None, ge=0, le=MOST + 1)
    at_most: int | None = Field(None, ge=0, le=MOST)
    length: Length | None = None
    only: Names = ()
    cell: Name | None = None

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        bounded = self.at_least is not None or self.at_most is not None
        if bounded and not self.operators:
            raise ValueError("at_least and at_most count operators: name them")
        if self.operators and not bounded:
            raise ValueError("operators on a path need at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least ({self.at_least}) is larger than at_most ({self.at_most})")
        return self


class ReachesOf(Part):
    """The result of one of the layers reaches the output."""

    layers: Annotated[Names, Field(min_length=1)]


class DepthOf(Bounds):
    """The largest number of operators, identities left out, on a way from an input to the output."""

    cell: Name | None = None


class WidthOf(Bounds):
    """The number of layers that read an input of the cell and whose result reaches the output."""

    cell: Name | None = None


class SourceOf(Bounds):
    """The number of layers that read a node and are not zero."""

    node: Name
    cell: Name | None = None


class SizeOf(Part):
    """The size of an architecture against all of its space, as quantiles from 0 to 1, both included."""

    of: Literal["parameters", "multiply_adds"]
    at_least: float = Field(0, ge=0, le=1)
    at_most: float = Field(1, ge=0, le=1)

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if (self.at_least, self.at_most) == (0, 1) or self.at_least > self.at_most:
            raise ValueError(f"quantiles from {self.at_least} to {self.at_most} leave all or nothing")
        return self


class Choice(Part):
    choice: ChoiceOf


class Count(Part):
    count: CountOf


class Path(Part):
    path: PathOf


class Reaches(Part):
    reaches: ReachesOf


class Depth(Part):
    depth: DepthOf


class Width(Part):
    width: WidthOf


class Source(Part):
    source: SourceOf


class Size(Part):
    size: SizeOf


class All(Part):
    """Every one of the conditions holds."""

    all: Joined

    @property
    def parts(self) -> tuple[Condition, ...]:
        return self.all


class Any_(Part):
    """One of the conditions holds, or more."""

    any: Joined

    @property
    def parts(self) -> tuple[Condition, ...]:
        return self.any


class Not(Part):
    """The condition does not hold."""

    not_: Condition = Field(alias="not")

    @property
    def parts(self) -> tuple[Condition, ...]:
        return (self.not_,)


class If(Part):
    """The second condition holds wherever the first does."""

    if_: Condition = Field(alias="if")
    then: Condition

    @property
    def parts(self) -> tuple[Condition, ...]:
        return (self.if_, self.then)


class AtLeast(Part):
    """``at_least`` or more of the conditions hold."""

    at_least: int = Field(ge=1, le=20)
    of: Joined

    @property
    def parts(self) -> tuple[Condition, ...]:
        return self.of

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if self.at_least > len(self.of):
            raise ValueError(f"at_least ({self.at_least}) is larger than the number of conditions ({len(self.of)})")
        return self


KINDS: Mapping[str, type[Part]] = {
    "choice": Choice, "count": Count, "path": Path, "reaches": Reaches, "depth": Depth, "width": Width,
    "source": Source, "size": Size, "all": All, "any": Any_, "not": Not, "if": If, "of": AtLeast,
}  # fmt: skip
"""The key that tells a kind -> its model."""


def _kind(declared: Any) -> str | None:
    """The kind of a condition, before it is validated."""
    if isinstance(declared, Part):
        return next((kind for kind, model in KINDS.items() if isinstance(declared, model)), None)
    return next((kind for kind in KINDS if kind in declared), None) if isinstance(declared, dict) else None


Condition = Annotated[
    Annotated[Choice, Tag("choice")]
    | Annotated[Count, Tag("count")]
    | Annotated[Path, Tag("path")]
    | Annotated[Reaches, Tag("reaches")]
    | Annotated[Depth, Tag("depth")]
    | Annotated[Width, Tag("width")]
    | Annotated[Source, Tag("source")]
    | Annotated[Size, Tag("size")]
    | Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[If, Tag("if")]
    | Annotated[AtLeast, Tag("of")],
    Discriminator(
        _kind,
        custom_error_type="condition",
        custom_error_message=f"expected a mapping with one key among {', '.join(KINDS)}",
    ),
]
"""A condition on an architecture."""
Joined = Annotated[tuple[Condition, ...], Field(min_length=1, max_length=20)]

for _model in (All, Any_, Not, If, AtLeast):
    _model.model_rebuild()
_ADAPTER: TypeAdapter[Condition] = TypeAdapter(Condition)


def condition_of(declared: Any) -> Condition:
    """The condition in parsed JSON or YAML. Raises pydantic's ValidationError, and ValueError if it nests too deep."""
    if _nesting(declared) > DEEPEST:
        raise ValueError(f"a condition nests {DEEPEST} deep at the most")
    return _ADAPTER.validate_python(declared)


def declared(condition: Condition) -> dict[str, Any]:
    """The condition as data, as ``condition_of`` reads it; what has its default is left out."""
    found: dict[str, Any] = condition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema of conditions."""
    return _ADAPTER.json_schema()


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions in it that join no others."""
    if condition.parts:
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def _nesting(declared: Any) -> int:
    """The number of conditions around the innermost one, itself included."""
    deepest, waiting = 0, [(declared, 1)]
    while waiting:
        here, depth = waiting.pop()
        deepest = max(deepest, depth)
        if depth > DEEPEST:
            break
        if isinstance(here, Mapping):
            for key in ("all", "any", "of", "not", "if", "then"):
                inner = here.get(key)
                waiting += [(one, depth + 1) for one in (inner if isinstance(inner, list | tuple) else [inner]) if one]
    return deepest
