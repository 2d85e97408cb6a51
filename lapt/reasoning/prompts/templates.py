"""Rendering of the prompt templates, with an exact identity of the rendered template."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, meta

from lapt.base.digests import short


@dataclass(frozen=True)
class Prompt:
    """One rendered prompt. ``template_hash``: of the template and of all templates that it includes."""

    name: str
    version: int
    template_hash: str
    role: str
    text: str


@cache
def _environment() -> Environment:
    # Markdown for a model, not HTML for a browser: nothing is escaped.
    loader = PackageLoader("lapt.reasoning.prompts", "")
    return Environment(loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


def rendered(name: str, **variables: Any) -> Prompt:
    """The prompt of that name (``lapt/reasoning/prompts/<name>.md``) with its variables filled in."""
    version, template_hash = _identity(name)
    return Prompt(name, version, template_hash, section("role"), section(name, **variables))


def with_fronts(prompt: Prompt, cost: str | None) -> Prompt:
    """The prompt, which ends with what its architectures are, if they are on fronts of the score and ``cost``.

    The identity stays that of the template, so that principles keep their ids.
    """
    return replace(prompt, text=f"{prompt.text}\n{section('fronts', cost=cost)}") if cost else prompt


@cache
def _identity(name: str) -> tuple[int, str]:
    """(version, hash) of a template with all that it includes."""
    texts = [_source(part) for part in ["role.md", *_parts(f"{name}.md")]]
    version = re.match(r"\{# version (\d+) -#\}", _source(f"{name}.md"))
    assert version is not None, f"{name}.md does not begin with its version"
    return int(version[1]), short(texts)


def section(name: str, **variables: Any) -> str:
    """The text of a template alone."""
    text = _environment().get_template(f"{name}.md").render(**variables)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _source(file: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, file)[0]


def _parts(file: str) -> list[str]:
    """The template and the templates that it includes, each once."""
    found = [file]
    for part in meta.find_referenced_templates(_environment().parse(_source(file))):
        assert part is not None
        found += [inner for inner in _parts(part) if inner not in found]
    return found
