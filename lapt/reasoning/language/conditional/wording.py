"""Conditions of a reply in the real names of a space, and stated conditions in the words of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lapt.conditions.judging import fits
from lapt.conditions.language import DEEPEST, Condition, condition_of, declared
from lapt.conditions.sentences import sentence
from lapt.reasoning.endpoint.answers import InvalidReply, plain
from lapt.reasoning.language.conditional.grammar import Grammar, graphs_of

_KINDS_OF_NAMES = {
    "layer": "layer",
    "layers": "layer",
    "operators": "operator",
    "only": "operator",
    "sources": "source",
    "node": "node",
    "from": "node",
    "to": "node",
    "into": "node",
    "reads": "node",
    "cell": "cell",
}
"""Key of a condition -> kind of the names behind it."""


@dataclass(frozen=True)
class Wording:
    """Reads and shows the conditions of a ``grammar``."""

    grammar: Grammar

    def read(self, said: Any, where: str) -> Condition:
        """The condition that a reply states, in the real names. Raises InvalidReply with the fault, in its words.

        Everything of the language is read, though the schema has less of it. Names and conditions that stand twice are
        read once, and a layer's candidates that it does not have are left out.
        """
        try:
            found = condition_of(self._tidied(_renamed(_shallow(said, where), self._real(where)), where))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            at = ".".join(str(part) for part in first["loc"])
            raise InvalidReply(plain(f"{where}, condition {at[:200]}: {first['msg'][:300]}")) from None
        except ValueError as error:
            raise InvalidReply(f"{where}: {plain(str(error))[:300]}") from None
        words = self.grammar.words
        hidden = [kind for kind in _kinds(declared(found)) if kind not in self.grammar.kinds]
        if words.disguised and hidden:
            raise InvalidReply(f"{where} says {hidden[0]}; known: {list(self.grammar.kinds)}")
        fault = fits(found, self.grammar.space)
        if fault is not None:
            raise InvalidReply(f"{where} cannot be judged: {plain(self._in_words(fault))[:400]}")
        return found

    def sentence(self, condition: Condition) -> str:
        """The sentence of a condition in the words of the prompt."""
        if not self.grammar.words.disguised:
            return sentence(condition)
        return sentence(condition_of(_renamed(declared(condition), self._shown)))

    # --- names -------------------------------------------------------------------------------------------------------
    def _in_words(self, text: str) -> str:
        """A text with the words of the prompt in place of quoted names: a fault must not reveal them."""
        if self.grammar.words.disguised:
            for kind in ("layer", "operator", "source"):
                for name, shown in self.grammar.words.of(kind).items():
                    text = text.replace(f"'{name}'", f"'{shown}'")
        return text

    def _shown(self, kind: str, name: str) -> str:
        return name if kind == "cell" else self.grammar.words.of("source" if kind == "node" else kind).get(name, name)

    def _real(self, where: str) -> Callable[[str, str], str]:
        """(kind, word) -> the real name behind the word. Raises InvalidReply if there is none."""
        words, graphs = self.grammar.words, graphs_of(self.grammar.space)
        names = ["input", "output", *(name for graph in graphs for name in graph.nodes)]
        known = {kind: words.of(kind) for kind in ("layer", "operator", "source")}
        known["node"] = {name: name for name in names}
        known["cell"] = {graph.name: graph.name for graph in graphs}
        if words.disguised:
            known |= {"node": {name: shown for name, shown in words.sources.items() if name in names}, "cell": {}}

        def real(kind: str, word: str) -> str:
            found = next((name for name, shown in known[kind].items() if shown == word), None)
            if found is None:
                raise InvalidReply(
                    f"{where} names the {kind} {plain(word)!r:.80}; known: {_some(known[kind].values())}"
                )
            return found

        return real

    # --- tidying -----------------------------------------------------------------------------------------------------
    def _tidied(self, said: Any, where: str) -> Any:
        """A condition in which nothing stands twice, and which asks for no more conditions than it has."""
        if not isinstance(said, dict):
            return said
        tidy = dict(said)
        for key in ("all", "any", "of"):
            if isinstance(tidy.get(key), list):
                parts = [self._tidied(part, where) for part in tidy[key]]
                tidy[key] = [part for at, part in enumerate(parts) if part not in parts[:at]]
        for key in ("not", "if", "then"):
            if key in tidy:
                tidy[key] = self._tidied(tidy[key], where)
        if isinstance(tidy.get("of"), list) and type(tidy.get("at_least")) is int:
            tidy["at_least"] = min(tidy["at_least"], max(len(tidy["of"]), 1))
        if isinstance(tidy.get("choice"), dict):
            tidy["choice"] = self._own(tidy["choice"], where)
        joined = next((tidy[key] for key in ("all", "any") if key in tidy), None)
        return joined[0] if len(tidy) == 1 and isinstance(joined, list) and len(joined) == 1 else tidy

    def _own(self, choice: dict[str, Any], where: str) -> dict[str, Any]:
        """A choice without the candidates that its layer does not have. Raises InvalidReply if none is left."""
        space, words = self.grammar.space, self.grammar.words
        if choice.get("layer") not in space.layer_names:
            return choice
        layer, kept = space.layer(choice["layer"]), dict(choice)
        for kind, candidates in (("operators", layer.operators), ("sources", layer.sources)):
            if isinstance(choice.get(kind), list) and choice[kind]:
                kept[kind] = [name for name in choice[kind] if name in candidates]
                if not kept[kind]:
                    word, shown = kind.removesuffix("s"), words.shown("layer", layer.name)
                    known = _some(words.shown(word, name) for name in candidates)
                    raise InvalidReply(f"{where} names no {word} that the layer {shown} has; it has {known}")
        return kept


def _some(names: Any) -> str:
    """A list of names for a fault, cut off where it gets long."""
    return f"{list(names)}"[:500]


# --- walks over a condition as data ----------------------------------------------------------------------------------
def _shallow(said: Any, where: str) -> Any:
    """The same. Raises InvalidReply if it nests deeper than any condition does."""
    waiting = [(said, 1)]
    while waiting:
        here, depth = waiting.pop()
        if depth > 3 * DEEPEST:
            raise InvalidReply(f"{where}: a condition nests {DEEPEST} deep at the most")
        inner = here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        waiting += [(part, depth + 1) for part in inner]
    return said


def _renamed(said: Any, name: Callable[[str, str], str]) -> Any:
    """A condition as data with other names: ``name(kind, name)`` of each. A name that stands twice in a list is kept
    once."""
    if isinstance(said, list):
        return [_renamed(part, name) for part in said]
    if not isinstance(said, dict):
        return said
    found: dict[str, Any] = {}
    for key, value in said.items():
        kind = _KINDS_OF_NAMES.get(key)
        if kind is not None and isinstance(value, str):
            found[key] = name(kind, value)
        elif kind is not None and isinstance(value, list) and all(isinstance(word, str) for word in value):
            found[key] = list(dict.fromkeys(name(kind, word) for word in value))
        else:
            found[key] = _renamed(value, name)
    return found


def _kinds(said: Mapping[str, Any]) -> Iterator[str]:
    """The kinds of leaves in a condition as data. A count of live layers, or of what goes where, tells the graph of a
    cell, and is a kind of its own."""
    for key, value in said.items():
        if key in ("all", "any", "of"):
            for part in value:
                yield from _kinds(part)
        elif key in ("not", "if", "then"):
            yield from _kinds(value)
        elif key == "count" and (value.get("live", True) or {"into", "reads", "cell"} & set(value)):
            yield "count of live layers"
        elif key != "at_least":
            yield key
