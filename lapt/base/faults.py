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
        section, name = _place(first["loc"][:-1], model), str(first["loc"][-1])
        known, others = section.known, section.others.get(name)
        of_another = f"it is a key of {others}: declare that, or leave it out" if others else None
        remedy = instead_of_key(place.key, place.tag) or of_another or or_meant(name, known, "remove or rename it")
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
    got = "what is declared" if isinstance(given, dict) else _read(given) if given is None else f"{given!r:.80}"
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
    """The place of a pydantic location.

    ``key``: dotted, without the tags of unions. ``tag``: the last of those tags. ``known``: the keys known there.
    ``others``: in a section of a kind, each key that sections of other kinds alone have, with those kinds.
    """

    key: str
    tag: str
    known: list[str]
    others: dict[str, str]


def _place(location: Sequence[int | str], model: type[BaseModel]) -> _Place:
    at: Any = model
    told_by: str | None = None
    """The key that selects the member of a union. Its value is the next part of the location."""
    keys, tag, others = list[str](), "", dict[str, str]()
    for part in location:
        members, others = _members(at), {}
        if told_by is not None:
            tag = str(part)
            others = _told_apart(members, told_by)
            at = next((one for one in members if part in get_args(one.model_fields[told_by].annotation)), Any)
            told_by = None
        elif len(members) > 1:  # the location names the member by its tag, or the one tried that failed
            at = _tagged(at).get(str(part), Any)
        elif part != "[key]":
            keys.append(str(part))
            at, told_by = _below(members[0], part)
    fields = [getattr(member, "model_fields", {}) for member in _members(at)]
    known = list(dict.fromkeys(name for of_member in fields for name in of_member))
    return _Place(".".join(keys), tag, known, {name: said for name, said in others.items() if name not in known})


def _told_apart(members: Sequence[type[BaseModel]], told_by: str) -> dict[str, str]:
    """Every key that members of a union have, with what selects these: ``method: gp, weaknas``."""
    having = dict[str, list[str]]()
    for member in members:
        (kind, *_) = get_args(member.model_fields[told_by].annotation)
        for name in member.model_fields:
            having.setdefault(name, []).append(kind)
    return {name: f"{told_by}: {', '.join(kinds)}" for name, kinds in having.items()}


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
