"""Parts of JSON Schemas of replies, and what all readers of replies share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lapt.reasoning.endpoint.answers import InvalidReply, last_valid
from lapt.reasoning.language.vocabulary import Vocabulary

M = TypeVar("M", bound=BaseModel)


def one(names: Iterable[str]) -> dict[str, Any]:
    """One of the names."""
    return {"type": "string", "enum": list(names)}


def some(names: Iterable[str]) -> dict[str, Any]:
    """A list of the names, of any length."""
    return {"type": "array", "items": one(names)}


def few(item: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    """A list of at least ``least`` and at most ``most`` items."""
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


def numbers(among: Sequence[int] | Sequence[float]) -> dict[str, Any]:
    """One of the numbers."""
    return {"type": "integer" if all(isinstance(n, int) for n in among) else "number", "enum": list(among)}


def record(fields: dict[str, Any]) -> dict[str, Any]:
    """An object with these fields, all of them needed, and no others."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def titled(title: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The schema of a whole reply."""
    return {"title": title, "description": f"{title} as LAPT reads them.", **record(fields)}


def real_names(words: Vocabulary, kind: str, said: Iterable[str], where: str, once: bool = False) -> list[str]:
    """The real names behind a reply's words, each once. Raises InvalidReply for a word that the prompt does not have,
    and, if ``once``, for one that stands twice."""
    names: list[str] = []
    for word in said:
        name = words.real(kind, word)
        if name is None:
            raise InvalidReply(f"{where} names the {kind} {word!r:.80}; known: {list(words.of(kind).values())}")
        if once and name in names:
            raise InvalidReply(f"the {kind} {word} stands twice")
        if name not in names:
            names.append(name)
    return names


def modelled(text: str, model: type[M]) -> M:
    """The last object in a reply that fits the model. Raises InvalidReply with the first fault."""

    def validated(value: Any) -> M:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            at = ".".join(str(part) for part in first["loc"]) or "the object"
            raise InvalidReply(f"{at}: {first['msg'][:200]}") from None
        except RecursionError:
            raise InvalidReply("the JSON is nested too deeply") from None

    return last_valid(text, next(iter(model.model_fields)), validated)
