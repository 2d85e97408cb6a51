"""Replies of the form ``conditions``: their JSON Schemas, and their parsers, which use whatever a schema allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lapt.conditions.cells import Cells
from lapt.conditions.judging import evidence_of
from lapt.conditions.language import Condition
from lapt.conditions.sentences import sentence
from lapt.principles import Pattern, Principle
from lapt.reasoning.endpoint.answers import InvalidReply, plain
from lapt.reasoning.expectation import deviation
from lapt.reasoning.language.conditional.grammar import Grammar
from lapt.reasoning.language.conditional.wording import Wording
from lapt.reasoning.language.replies import MOST, MOST_PROPOSED, Name, proposals_schema
from lapt.reasoning.language.shapes import few, modelled, numbers, one, real_names, record, titled
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.refining import refined

STATED = 12
"""Largest number of principles that a schema allows."""
STRENGTHS = {1: "a tendency", 2: "clear", 3: "decisive"}
EFFECTS = {"prefer": "good architectures meet the condition", "avoid": "good architectures do not meet it"}
LONGEST = 2_000
"""Characters of a statement or a rationale that are kept."""


class _Stated(BaseModel):
    model_config = ConfigDict(extra="ignore")

    statement: str = ""
    condition: Any
    effect: Literal["prefer", "avoid"]
    strength: Literal[1, 2, 3]
    rationale: str = ""


class _Statements(BaseModel):
    principles: list[_Stated] = Field(min_length=1, max_length=MOST)


class _Kept(BaseModel):
    operators: list[Name] = []
    sources: list[Name] = []


class _Layers(BaseModel):
    layers: dict[str, _Kept]


class _Chosen(BaseModel):
    operator: Name | None = None
    source: Name | None = None


class _Proposals(BaseModel):
    architectures: list[dict[str, _Chosen]] = Field(min_length=1, max_length=MOST_PROPOSED)


# --- principles ------------------------------------------------------------------------------------------------------
def principles_schema(grammar: Grammar) -> dict[str, Any]:
    """Schema of a reply with principles."""
    fields = {
        "statement": {"type": "string"},
        "condition": {"$ref": "#/$defs/condition"},
        "effect": one(EFFECTS),
        "strength": numbers(list(STRENGTHS)),
        "rationale": {"type": "string"},
    }
    whole = titled("Principles", {"principles": few(record(fields), 1, STATED)})
    return {**whole, "$defs": grammar.definitions}


def read_principles(
    text: str, wording: Wording, read: Sequence[Architecture], task: str, *, draw: int
) -> tuple[Principle, ...]:
    """The principles in a reply, each with one pattern: its condition, and its evidence in the architectures ``read``.

    A condition that is stated again with the same effect counts once. Without a statement, the sentence of the
    condition is taken. Raises InvalidReply for what no schema allows.
    """
    space = wording.grammar.space
    cells = Cells.of(space, read)
    found: dict[tuple[Condition, str], Principle] = {}
    for number, stated in enumerate(modelled(text, _Statements).principles, start=1):
        condition = wording.read(stated.condition, f"principle {number}")
        pattern = pattern_of(space, condition, stated.effect, stated.strength, cells, task)
        said = Principle(
            statement=plain(stated.statement)[:LONGEST] or pattern.feature,
            rationale=plain(stated.rationale)[:LONGEST],
            draws=(draw,),
            patterns=(pattern,),
        )
        found.setdefault((condition, stated.effect), said)
    return tuple(found.values())


def pattern_of(
    space: SearchSpace, condition: Condition, effect: str, strength: float, read: Cells, task: str
) -> Pattern:
    """The condition as a pattern. ``strength``: how much more is expected of an architecture that meets it than of one
    that does not; the weight is that of one standard deviation. What all or none of the space meets weighs nothing."""
    evidence = evidence_of(condition, read, space)
    avoids = effect == "avoid"
    return Pattern(
        feature=sentence(condition),
        weight=(-1 if avoids else 1) * strength * deviation(space, condition),
        support=1 - evidence.support if avoids else evidence.support,
        chance=1 - evidence.base_rate if avoids else evidence.base_rate,
        task=task,
        condition=condition,
    )


# --- a refined space -------------------------------------------------------------------------------------------------
def asked_of(space: SearchSpace, name: str) -> dict[str, tuple[str, ...]]:
    """The candidates of a layer among which it has a choice: operators, sources, both or neither."""
    layer = space.layer(name)
    both = {"operators": layer.operators, "sources": layer.sources}
    return {kind: candidates for kind, candidates in both.items() if len(candidates) > 1}


def space_schema(space: SearchSpace, words: Vocabulary) -> dict[str, Any]:
    """Schema of a reply with a refined space: the layers with a choice, each with its own candidates."""
    layers = {}
    for name, shown in words.layers.items():
        fields = {
            kind: few(one(words.in_order(kind.removesuffix("s"), candidates)), 1, len(candidates))
            for kind, candidates in asked_of(space, name).items()
        }
        if fields:
            layers[shown] = record(fields)
    return titled("RefinedSpace", {"layers": record(layers)})


def read_space(
    text: str, space: SearchSpace, words: Vocabulary, *, max_operators: int | None, max_sources: int | None
) -> SearchSpace:
    """The refined space in a reply. Of each list the first candidates are kept, as many as the caps allow.

    Layers of a node that would be left with one source for all get the next one of the reply, or of the space. Raises
    InvalidReply for a layer that is missing, an empty list, and a candidate that a layer does not have.
    """
    said = modelled(text, _Layers).layers
    real_names(words, "layer", said, "the reply")
    kept: dict[str, dict[str, list[str]]] = {"operators": {}, "sources": {}}
    ranked: dict[str, list[str]] = {}
    missing = [shown for name, shown in words.layers.items() if shown not in said and asked_of(space, name)]
    if missing:
        raise InvalidReply(f"the layers {missing} are missing")
    for name, shown in words.layers.items():
        for kind, candidates in asked_of(space, name).items():
            word, most = kind.removesuffix("s"), max_operators if kind == "operators" else max_sources
            wanted = real_names(words, word, getattr(said[shown], kind), f"layer {shown}")
            wanted = [candidate for candidate in wanted if candidate in candidates]
            if not wanted:
                known = words.in_order(word, candidates)
                raise InvalidReply(f"layer {shown} names no {word} that it has; it has {known}")
            kept[kind][name] = wanted[:most]
            if kind == "sources":
                ranked[name] = [*wanted, *(source for source in candidates if source not in wanted)]
    return refined(
        space, kept["operators"], kept["sources"], lambda layer: ranked.get(layer, list(space.layer(layer).sources))
    )


def kept_operators(text: str) -> Mapping[str, list[str]]:
    """Layer -> operators, from a reply with a space. Raises InvalidReply."""
    return {name: kept.operators for name, kept in modelled(text, _Layers).layers.items() if kept.operators}


# --- architectures ---------------------------------------------------------------------------------------------------
def architectures_schema(space: SearchSpace, words: Vocabulary, wanted: int) -> dict[str, Any]:
    """Schema of a reply with architectures: at least one, at most as many as are wanted."""
    any_number = proposals_schema(space, words)["properties"]["architectures"]["items"]
    return titled("Proposals", {"architectures": few(any_number, 1, min(wanted, MOST_PROPOSED))})


def read_architectures(text: str, space: SearchSpace, words: Vocabulary) -> list[Architecture]:
    """The architectures in a reply, in its order, each once. Raises InvalidReply for what no schema allows.

    A layer without a choice may be left out. If two layers of a node read the same source, one of them reads another.
    """
    found: dict[Architecture, None] = {}
    for number, said in enumerate(modelled(text, _Proposals).architectures, start=1):
        where = f"architecture {number}"
        real_names(words, "layer", said, where)
        chosen: dict[str, list[str]] = {"operators": [], "sources": []}
        for layer in space.layers:
            shown = words.shown("layer", layer.name)
            mine = said.get(shown, _Chosen())
            for kind, word, candidates in (
                ("operators", mine.operator, layer.operators),
                ("sources", mine.source, layer.sources),
            ):
                name = words.real(kind.removesuffix("s"), word) if word is not None else None
                if len(candidates) == 1:
                    name = candidates[0]
                if name not in candidates:
                    known = words.in_order(kind.removesuffix("s"), candidates)
                    raise InvalidReply(
                        f"{where}, layer {shown}, has the {kind.removesuffix('s')} {plain(str(word))!r:.80}; "
                        f"the layer has {known}"
                    )
                chosen[kind].append(name)
        architecture = Architecture(tuple(chosen["operators"]), tuple(chosen["sources"]))
        if not space.contains(architecture):  # a source that stands twice in a node
            architecture = space.project(architecture, np.random.default_rng(0))
        found.setdefault(space.as_member(architecture))
    return list(found)
