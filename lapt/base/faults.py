"""Error messages for declarations: their first fault in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from lapt.base.elsewhere import instead_of_key, instead_of_method, instead_of_value
from lapt.errors import ConfigError, or_meant


def fault(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """The error for a declaration in the file ``where`` that does not fit the model."""
    first = error.errors(include_url=False)[0]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    place, given = _place(first["loc"], model), first["input"]
    key = place.key or where
    if first["type"] == "extra_forbidden":
        known = _place(first["loc"][:-1], model).known
        remedy = instead_of_key(place.key, place.tag) or or_meant(first["loc"][-1], known, "remove or rename it")
        return ConfigError(f"in {where} one of the keys {known}", f"{key}{more}", remedy)
    if first["type"] == "missing":
        return ConfigError(f"the key {key} in {where}", f"nothing{more}", "add it")
    if first["type"] == "union_tag_invalid":
        tag, tags, name = (str(first["ctx"][part]) for part in ("tag", "expected_tags", "discriminator"))
        chosen = f"{key}.{name.strip(chr(39))}"
        known = tags.replace("'", "").split(", ")
        elsewhere = instead_of_method(tag) if chosen == "search.method" else None
        remedy = elsewhere or or_meant(tag, known, f"change it in {where}")
        return ConfigError(f"{chosen} among {tags}", f"{tag!r}{more}", remedy)
    if first["type"] in ("string_type", "invalid_key") and isinstance(given, int | float | date | None):
        if "[key]" in first["loc"] or first["type"] == "invalid_key":
            inside = place.key.rpartition(".")[0] or where
            return ConfigError(f"text as the keys of {inside}", f"{_read(given)}{more}", f"{_quoted(given)} in {where}")
        return ConfigError(f"text as {key}", f"{_read(given)}{more}", f"{_quoted(given)} in {where}")
    message = first["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    got = "what is declared" if isinstance(given, dict) else f"{given!r:.80}"
    remedy = instead_of_value(place.key, given) or f"change it in {where}"
    return ConfigError(f"{key}: {message[0].lower()}{message[1:]}", f"{got}{more}", remedy)


def _read(given: Any) -> str:
    """Description of a value that YAML does not read as text."""
    match given:
        case True:
            return "True, as YAML reads yes, on and true"
        case False:
            return "False, as YAML reads no, off and false"
        case None:
            return "nothing, as YAML reads null, ~ and an empty place"
        case _:
            return f"{given!s:.80}, which is a {'date' if isinstance(given, date) else 'number'} to YAML"


def _quoted(given: Any) -> str:
    match given:
        case True:
            return "quote it ('yes', 'on' or 'true')"
        case False:
            return "quote it ('no', 'off' or 'false')"
        case None:
            return "write it, or quote it ('null')"
        case _:
            return f'quote it ("{given!s:.80}")'


class _Place(NamedTuple):
    """The place of a pydantic location: its dotted key without the tags of unions, the last of those tags, and the keys
    known there."""

    key: str
    tag: str
    known: list[str]


def _place(location: Sequence[int | str], model: type[BaseModel]) -> _Place:
    at: Any = model
    told_by: str | None = None
    """The key that selects the member of a union. Its value is the next part of the location."""
    keys, tag = list[str](), ""
    for part in location:
        members = _members(at)
        if told_by is not None:
            tag = str(part)
            at = next((one for one in members if part in get_args(one.model_fields[told_by].annotation)), Any)
            told_by = None
        elif len(members) > 1:  # the location names the member by its tag, or the one tried that failed
            at = _tagged(at).get(str(part), Any)
        elif part != "[key]":
            keys.append(str(part))
            at, told_by = _below(members[0], part)
    fields = [getattr(member, "model_fields", {}) for member in _members(at)]
    return _Place(".".join(keys), tag, list(dict.fromkeys(name for of_member in fields for name in of_member)))


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [one for member in get_args(annotation) if member is not type(None) for one in _members(member)]
    return [annotation]


def _tagged(annotation: Any) -> dict[str, Any]:
    """The members of a union by their tags; those without one are left out."""
    if get_origin(annotation) is Annotated:
        return _tagged(get_args(annotation)[0])
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    annotated = [get_args(member) for member in members if get_origin(member) is Annotated]
    return {said.tag: model for model, *more in annotated for said in more if isinstance(said, Tag)}


def _below(annotation: Any, part: int | str) -> tuple[Any, str | None]:
    """The type at a key or number, and the key that selects the member of a union there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and part in annotation.model_fields:
        field = annotation.model_fields[str(part)]
        return field.annotation, field.discriminator if isinstance(field.discriminator, str) else None
    if get_origin(annotation) in (dict, tuple, list):
        return get_args(annotation)[1 if get_origin(annotation) is dict else 0], None
    return Any, None
