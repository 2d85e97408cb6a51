"""Formats of a model's replies as JSON Schema, and their parsers, which return the content or an exact fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lapt.errors import LaptError
from lapt.principles import Count, Effect, Kind, Principle
from lapt.reasoning.endpoint.answers import InvalidReply, plain
from lapt.reasoning.evidence import claimed
from lapt.reasoning.language.shapes import modelled, one, real_names, record, some, titled
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import Architecture, SearchSpace

MOST = 40
"""Largest number of principles in one reply."""
MOST_PROPOSED = 500
"""Largest number of architectures in one reply."""

LEARN: dict[Effect, str] = {"keep": "good architectures choose it", "avoid": "good architectures do not choose it"}
EXPLORE: dict[Effect, str] = {"try": "worth trying", "avoid": "not worth trying"}

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Stated(BaseModel):
    model_config = ConfigDict(extra="ignore")

    statement: Sentence
    layers: list[Name]
    operators: list[Name] = []
    sources: list[Name] = []
    effect: Name
    rationale: str = ""


class _Statements(BaseModel):
    principles: list[_Stated] = Field(min_length=1, max_length=MOST)


class _LayerSets(BaseModel):
    layer: Name
    operators: list[Name]
    sources: list[Name] = []


class _Sets(BaseModel):
    layers: list[_LayerSets]


class _Chosen(BaseModel):
    operator: Name
    source: Name | None = None


class _Proposals(BaseModel):
    architectures: list[dict[str, _Chosen]] = Field(min_length=1, max_length=MOST_PROPOSED)


# --- schemas -------------------------------------------------------------------------------------------------------
def principles_schema(space: SearchSpace, words: Vocabulary, effects: Mapping[Effect, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "statement": {"type": "string"},
        "layers": some(words.layers.values()),
        "operators": some(words.operators.values()),
        **({"sources": some(words.sources.values())} if _sourced(space) else {}),
        "effect": {"type": "string", "enum": list(effects)},
        "rationale": {"type": "string"},
    }
    return titled("Principles", {"principles": {"type": "array", "items": record(fields)}})


def space_schema(space: SearchSpace, words: Vocabulary) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "layer": {"type": "string", "enum": list(words.layers.values())},
        "operators": some(words.operators.values()),
        **({"sources": some(words.sources.values())} if _sourced(space) else {}),
    }
    return titled("RefinedSpace", {"layers": {"type": "array", "items": record(fields)}})


def proposals_schema(space: SearchSpace, words: Vocabulary) -> dict[str, Any]:
    """Schema of a reply with architectures, each a choice for every layer."""
    choices = {}
    for name, shown in words.layers.items():
        layer = space.layer(name)
        fields = {"operator": one(words.shown("operator", operator) for operator in layer.operators)}
        if len(layer.sources) > 1:
            fields["source"] = one(words.shown("source", source) for source in layer.sources)
        choices[shown] = record(fields)
    return titled("Proposals", {"architectures": {"type": "array", "items": record(choices)}})


def _sourced(space: SearchSpace) -> bool:
    return any(len(layer.sources) > 1 for layer in space.layers)


# --- reading -------------------------------------------------------------------------------------------------------
def read_principles(
    text: str,
    space: SearchSpace,
    words: Vocabulary,
    effects: Mapping[Effect, str],
    counts: Sequence[Count],
    *,
    draw: int,
) -> tuple[Principle, ...]:
    """The principles in a reply; each claim carries its count in the data. Raises InvalidReply.

    Layers and candidates must be the prompt's own. A repeated statement counts once.
    """
    found: dict[tuple[Any, ...], Principle] = {}
    for number, stated in enumerate(modelled(text, _Statements).principles, start=1):
        where = f"principle {number}"
        if stated.effect not in effects:
            raise InvalidReply(f"{where} has the effect {stated.effect!r:.80}; known: {list(effects)}")
        effect: Effect = next(effect for effect in effects if effect == stated.effect)
        layers = real_names(words, "layer", stated.layers or words.layers.values(), where)
        named: dict[Kind, list[str]] = {
            "operator": real_names(words, "operator", stated.operators, where),
            "source": real_names(words, "source", stated.sources, where),
        }
        of = {(c.layer, c.kind, c.candidate): c for c in reversed(counts)}  # the newest task's first
        claims = tuple(
            claimed([of[layer, kind, candidate]], effect)
            for layer in layers
            for kind, candidates in named.items()
            for candidate in candidates
            if (layer, kind, candidate) in of
        )
        if not claims:
            shown = [words.shown("layer", layer) for layer in layers]
            raise InvalidReply(f"{where} names no operator that its layers {shown} have")
        statement, rationale = plain(stated.statement), plain(stated.rationale)[:2000]
        if not statement:
            raise InvalidReply(f"{where} has no statement")
        made = tuple(sorted((c.layer, c.kind, c.candidate, c.effect) for c in claims))
        found.setdefault(made, Principle(statement=statement, claims=claims, rationale=rationale, draws=(draw,)))
    return tuple(found.values())


def read_space(
    text: str, space: SearchSpace, words: Vocabulary, *, max_operators: int | None, max_sources: int | None
) -> SearchSpace:
    """The refined space in a reply: every layer once, within the caps, never empty. Raises InvalidReply."""
    sets = modelled(text, _Sets).layers
    named = real_names(words, "layer", [entry.layer for entry in sets], "the reply", once=True)
    missing = [words.shown("layer", name) for name in space.layer_names if name not in named]
    if missing:
        raise InvalidReply(f"the layers {missing} are missing")
    operators, sources = {}, {}
    for name, entry in zip(named, sets, strict=True):
        layer = space.layer(name)
        operators[name] = _kept(words, "operator", entry.layer, entry.operators, layer.operators, max_operators)
        if len(layer.sources) > 1:
            sources[name] = _kept(words, "source", entry.layer, entry.sources, layer.sources, max_sources)
    try:
        return space.restrict(operators, sources)
    except LaptError as error:
        raise InvalidReply(_in_words(str(error), words)) from None


def _in_words(fault: str, words: Vocabulary) -> str:
    """The fault in the prompt's words: it must not reveal hidden names."""
    for name, shown in words.layers.items():
        fault = fault.replace(f"'{name}'", f"'{shown}'")
    return fault


def read_proposals(text: str, space: SearchSpace, words: Vocabulary) -> list[Architecture]:
    """The architectures in a reply, in its order, each once. Raises InvalidReply if one is not in the space."""
    found: dict[Architecture, None] = {}
    for number, said in enumerate(modelled(text, _Proposals).architectures, start=1):
        where = f"architecture {number}"
        chosen = dict(zip(real_names(words, "layer", said, where), said.values(), strict=True))
        missing = [words.shown("layer", name) for name in space.layer_names if name not in chosen]
        if missing:
            raise InvalidReply(f"{where} lacks the layers {missing}")
        operators: list[str] = []
        sources: list[str] = []
        for layer in space.layers:
            choice = chosen[layer.name]
            shown = f"{where}, layer {words.shown('layer', layer.name)}"
            operators += real_names(words, "operator", [choice.operator], shown)
            sources += (
                layer.sources if len(layer.sources) == 1 else real_names(words, "source", [choice.source or ""], shown)
            )
        architecture = Architecture(tuple(operators), tuple(sources))
        if not space.contains(architecture):
            twice = ", or one source twice in a node" if space.groups else ""
            raise InvalidReply(f"{where} chooses what its layers do not have{twice}")
        found.setdefault(space.as_member(architecture))
    return list(found)


def _kept(
    words: Vocabulary, kind: Kind, layer: str, said: Sequence[str], candidates: Sequence[str], most: int | None
) -> list[str]:
    wanted = real_names(words, kind, said, f"layer {layer}")
    outside = [words.shown(kind, name) for name in wanted if name not in candidates]
    if outside:
        known = [words.shown(kind, name) for name in candidates]
        raise InvalidReply(f"layer {layer} has no {kind}s {outside}; it has {known}")
    if not wanted:
        raise InvalidReply(f"layer {layer} has no {kind}; keep at least one")
    if most is not None and len(wanted) > most:
        raise InvalidReply(f"layer {layer} has {len(wanted)} {kind}s; keep at most {most}")
    return wanted


def kept_operators(text: str) -> dict[str, list[str]]:
    """Layer -> operators, from a reply with a space. Raises InvalidReply."""
    return {entry.layer: entry.operators for entry in modelled(text, _Sets).layers}
