"""Search spaces of a user's own, declared in YAML: layers, candidates, and the text that an architecture is written as.

LAPT knows only the choices of such a space, and what ``roles`` say of operators. Two architectures are equal if their
texts are, and no operator is taken for zero or the identity that its role does not name so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from lapt.base.declarations import added
from lapt.errors import ConfigError, SpaceError
from lapt.spaces.family import CellFamily
from lapt.spaces.layer import SOURCE, Architecture, Layer
from lapt.spaces.roles import Role, inferred, role_of

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.>+-]*$", max_length=60)]
"""The name of a layer, operator or source: a word that a language model can repeat."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
"""Text of one line."""


def _pairs(declared: Any) -> Any:
    if not isinstance(declared, dict):
        return declared
    for key, value in declared.items():
        for word in (key, value):
            if not isinstance(word, str):
                raise ValueError(f"the entry {key!r}: {value!r} is no text, quote it")
    return tuple(sorted(declared.items()))


Texts = Annotated[
    tuple[tuple[str, Text], ...], BeforeValidator(_pairs), PlainSerializer(dict, return_type=dict[str, str])
]
"""A mapping from names to texts, as sorted pairs, so that it can be hashed."""


def _are_roles(said: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    kinds = [role_of(text).kind for _, text in said]
    for kind in ("zero", "identity"):
        if kinds.count(kind) > 1:
            raise ValueError(f"{kind} is one operator's role")
    return said


class DeclaredLayer(Layer):
    """A layer of a declaration. Without ``sources`` it chooses only its operator."""

    name: Name
    operators: tuple[Name, ...] = Field(max_length=200)
    sources: tuple[Name, ...] = Field((SOURCE,), max_length=200)


class DeclaredSpace(BaseModel, CellFamily):
    """The declaration, which is also the cell family of the space that it declares.

    ``encoding``: the text of an architecture, with ``{layer}`` for the operator that a layer chose and
    ``{layer:source}`` for its source, which may be left out where a layer has one. ``codes``: what operators and
    sources are written as there, their names if unsaid; "" for an operator that leaves no trace. ``meanings``: what
    they compute, for language models. ``roles``: what operators are (``lapt.spaces.roles``), for principles that are
    carried from or to other spaces; unsaid ones are told by names and meanings, if they can. ``network``: the function
    that builds networks (``lapt.networks.declared``), imported when one is wanted, never here.

    Raises ConfigError unless every architecture has a text of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))
    networks: ClassVar[str | None] = "lapt.networks.declared:DeclaredNetworks"
    layers_differ: ClassVar[bool] = True

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")]
    encoding: Text
    layers: tuple[DeclaredLayer, ...] = Field(min_length=1, max_length=100)
    codes: Texts = ()
    meanings: Texts = ()
    roles: Annotated[Texts, AfterValidator(_are_roles)] = added(())
    network: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", exclude_if=lambda network: network is None
    )

    @model_validator(mode="after")
    def _can_be_written(self) -> DeclaredSpace:
        names = [layer.name for layer in self.layers]
        twice = [name for at, name in enumerate(names) if name in names[:at]]
        if twice:
            raise ConfigError(f"layers of {self.name} with distinct names", f"{twice[0]} twice", "rename one of them")
        candidates = {name for layer in self.layers for name in (*layer.operators, *layer.sources)}
        for what, said in (("codes", self.codes), ("meanings", self.meanings)):
            unknown = [name for name, _ in said if name not in candidates]
            if unknown:
                raise ConfigError(
                    f"{what} of operators and sources that {self.name} has", f"{unknown}", "correct or remove them"
                )
        operators = {name for layer in self.layers for name in layer.operators}
        unknown = [name for name, _ in self.roles if name not in operators]
        if unknown:
            raise ConfigError(f"roles of operators that {self.name} has", f"{unknown}", "correct or remove them")
        self._check_slots()
        found = ambiguity([[text for _, text in part] for part in self._parts])
        if found is not None:
            at, one, other = found
            raise ConfigError(
                f"an encoding of {self.name} that says what {self._slots[at]} chose",
                f"{self.encoding!r}, where it may be {one!r} or {other!r} in one text",
                "put something between the layers, give other codes, or make one layer of those that run together",
            )
        return self

    def _check_slots(self) -> None:
        known = {layer.name for layer in self.layers} | {f"{layer.name}:source" for layer in self.layers}
        needed = [layer.name for layer in self.layers]
        needed += [f"{layer.name}:source" for layer in self.layers if len(layer.sources) > 1]
        slots = [slot for slot in self._slots if slot is not None]
        literal = "".join(self._split[::2])
        wrong = [f"{{{slot}}}" for slot in slots if slot not in known or slots.count(slot) > 1]
        wrong += [brace for brace in "{}" if brace in literal]
        missing = [f"{{{slot}}}" for slot in needed if slot not in slots]
        if wrong or missing:
            raise ConfigError(
                f"an encoding of {self.name} that names each of {[f'{{{slot}}}' for slot in needed]} once",
                f"{self.encoding!r}, " + (f"with {wrong[0]}" if wrong else f"without {missing[0]}"),
                "correct it",
            )

    # --- the encoding ------------------------------------------------------------------------------------------------
    @cached_property
    def _split(self) -> list[str]:
        """Text, slot, text, slot, ..., text."""
        return re.split(r"\{([^{}]*)\}", self.encoding)

    @cached_property
    def _slots(self) -> list[str | None]:
        """For each part of the encoding, the layer (or ``layer:source``) that fills it; None for fixed text."""
        return [part if at % 2 else None for at, part in enumerate(self._split)]

    @cached_property
    def _parts(self) -> list[list[tuple[str, str]]]:
        """For each part of the encoding, its pairs (candidate, text)."""
        candidates = {layer.name: layer.operators for layer in self.layers}
        candidates |= {f"{layer.name}:source": layer.sources for layer in self.layers}
        codes = dict(self.codes)
        return [
            [(text, text)] if slot is None else [(name, codes.get(name, name)) for name in candidates[slot]]
            for slot, text in zip(self._slots, self._split, strict=True)
        ]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        texts = ([re.escape(text) for _, text in part] for part in self._parts)
        return re.compile("".join(f"({'|'.join(part)})" for part in texts))

    def encode(self, architecture: Architecture) -> str:
        operators, sources = architecture
        chosen: dict[str | None, str] = {}
        for layer, operator, source in zip(self.layers, operators, sources, strict=False):
            chosen |= {layer.name: operator, f"{layer.name}:source": source}
        codes = dict(self.codes)
        return "".join(
            text if slot is None else codes.get(chosen.get(slot, ""), chosen.get(slot, ""))
            for slot, text in zip(self._slots, self._split, strict=True)
        )

    def decode(self, text: str) -> Architecture:
        found = self._pattern.fullmatch(text)
        if found is None:
            raise SpaceError(
                f"an architecture of {self.name}, written as {self.encoding}", repr(text)[:80], "check the text"
            )
        chosen = {
            slot: next(name for name, code in part if code == group)
            for slot, part, group in zip(self._slots, self._parts, found.groups(), strict=True)
        }
        return Architecture(
            tuple(chosen[layer.name] for layer in self.layers),
            tuple(chosen.get(f"{layer.name}:source", layer.sources[0]) for layer in self.layers),
        )

    # --- what is known of it -----------------------------------------------------------------------------------------
    @property
    def explained(self) -> Mapping[str, str]:
        return dict(self.meanings)

    @cached_property
    def operator_roles(self) -> Mapping[str, Role]:
        """Operator -> its role: the declared one, else the one that its name or meaning tells.

        An operator named as zero is left out where layers choose what they read. Where they follow each other, it is a
        layer that is not there, which the identity is.
        """
        meanings = dict(self.meanings)
        found = {name: role_of(text) for name, text in self.roles}
        follow = all(len(layer.sources) == 1 for layer in self.layers)
        for operator in dict.fromkeys(operator for layer in self.layers for operator in layer.operators):
            role = found.get(operator) or inferred(operator) or inferred(meanings.get(operator, ""))
            if role is not None and role.kind == "zero" and operator not in dict(self.roles):
                role = Role(kind="identity") if follow else None
            if role is not None:
                found[operator] = role
        return found

    @property
    def zero(self) -> str | None:
        return self._of_role("zero")

    @property
    def identity(self) -> str | None:
        return self._of_role("identity")

    def _of_role(self, kind: str) -> str | None:
        return next((name for name, text in self.roles if role_of(text).kind == kind), None)

    @property
    def builder(self) -> str | None:
        return self.network

    def check_trained(self, kind: str, *, shared: bool) -> None:
        if shared:
            raise ConfigError(
                f"evaluator.kind table or training for {self.name}",
                kind,
                "choose one of them: the networks of a declared space share no weights",
            )
        if self.network is None:
            raise ConfigError(
                f"evaluator.kind table for {self.name}, or a builder of its networks",
                f"{kind}, and no builder",
                "import scores, or name the builder in its declaration: network: MODULE:FUNCTION",
            )


def ambiguity(parts: Sequence[Sequence[str]]) -> tuple[int, str, str] | None:
    """The first part in which two rows of choices differ that make the same text, and its two texts; None without such.

    None if there are none. Two readings of a text are followed side by side. One is ahead by some characters, which the
    other must write next. These characters are a piece of one choice, so there are few states, however many texts.
    """
    for first, texts in enumerate(parts):
        for at, one in enumerate(texts):
            for other in texts[at + 1 :]:
                short, long = sorted((one, other), key=len)
                if long.startswith(short) and _meet(parts, (first + 1, first + 1, long[len(short) :])):
                    return first, one, other
    return None


def _meet(parts: Sequence[Sequence[str]], start: tuple[int, int, str]) -> bool:
    """Whether two readings can end alike.

    A state: next part of the one ahead, of the one behind, what the latter lacks.
    """
    waiting, seen = [start], {start}
    while waiting:
        ahead, behind, lacking = waiting.pop()
        if behind == len(parts):
            if lacking:
                continue
            if ahead == len(parts):
                return True
            ahead, behind = behind, ahead
        for text in parts[behind]:
            if lacking.startswith(text):
                state = (ahead, behind + 1, lacking[len(text) :])
            elif text.startswith(lacking):
                state = (behind + 1, ahead, text[len(lacking) :])
            else:
                continue
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return False
