"""YAML files that declare something: how one is read, and its first fault said in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

from lapt.errors import ConfigError, or_meant


def added(default: Any, **field: Any) -> Any:
    """A pydantic field for a key that an earlier version did not have.

    At its default it is left out of what is written, so that run ids, fingerprints and stored configurations stay as
    they were before the key existed.
    """
    return Field(default, exclude_if=lambda value: value == default, **field)


def text_of(path: Path) -> str:
    """Raises ConfigError for a file that cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a UTF-8 text file at {path}", " ".join(str(error).split()), "mend the file") from None


def parsed(text: str, where: str, remedy: str) -> dict[str, Any]:
    """Raises ConfigError for what is no mapping, with that remedy."""
    try:
        declared = yaml.load(text, Loader=_OnceOnly)  # a SafeLoader  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: 2024-13-45 is read as a date
        raise ConfigError(f"YAML in {where}", " ".join(str(error).split()), "mend the file") from None
    if not isinstance(declared, dict):
        raise ConfigError(f"a mapping in {where}", type(declared).__name__, remedy)
    return declared


class _OnceOnly(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error: the last would win, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for i, key in enumerate(keys) if key in keys[:i]]
        if twice:
            raise yaml.YAMLError(f"the key {twice[0]!r} stands twice {str(node.start_mark).strip()}")
        return super().construct_mapping(node, deep)


def fault(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """The first fault, as one line."""
    first = error.errors(include_url=False)[0]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    key, known = _located(first["loc"], model)
    if first["type"] == "extra_forbidden":
        _, known = _located(first["loc"][:-1], model)
        remedy = or_meant(first["loc"][-1], known, "remove or rename it")
        return ConfigError(f"in {where} one of the keys {known}", f"{key}{more}", remedy)
    if first["type"] == "missing":
        return ConfigError(f"the key {key} in {where}", f"nothing{more}", "add it")
    if first["type"] == "union_tag_invalid":
        tag, tags, name = (str(first["ctx"][part]) for part in ("tag", "expected_tags", "discriminator"))
        remedy = or_meant(tag, tags.replace("'", "").split(", "), f"change it in {where}")
        return ConfigError(f"{key}.{name.strip(chr(39))} among {tags}", f"{tag!r}{more}", remedy)
    message = first["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    got = "what is declared" if isinstance(first["input"], dict) else f"{first['input']!r:.80}"
    return ConfigError(f"{key}: {message[0].lower()}{message[1:]}", f"{got}{more}", f"change it in {where}")


def _located(location: Sequence[int | str], model: type[BaseModel]) -> tuple[str, list[str]]:
    """The dotted key behind a pydantic location, without the tags of unions, and the keys known at that place."""
    keys: list[str] = []
    models: list[type[BaseModel]] = [model]
    for part in location:
        fields = {name: field for model in models for name, field in model.model_fields.items()}
        tagged = [model for model in models if any(part in get_args(f.annotation) for f in model.model_fields.values())]
        if part in fields:
            keys.append(str(part))
            models = _models(fields[str(part)].annotation)
        elif tagged and len(models) > 1:  # an unknown key may be spelt as a kind is
            models = tagged
        else:
            keys.append(str(part))
            models = []
    return ".".join(keys) or "the pipeline", list(dict.fromkeys(name for m in models for name in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in _models(argument)]
