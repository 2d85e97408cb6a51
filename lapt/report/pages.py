"""Pages from the templates. Everything is escaped but the style sheet and the figures: what a model wrote is text."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from lapt.pipeline.wording import visible


def page(template: str, **variables: Any) -> str:
    """The page of that name (``lapt/report/templates/<name>.html.jinja``) with its variables filled in."""
    environment = _environment()
    css = resources.files(__package__).joinpath("templates/style.css").read_text(encoding="utf-8")
    text: str = environment.get_template(f"{template}.html.jinja").render(css=Markup(css), **variables)
    return text


@cache
def _environment() -> Environment:
    files = resources.files(__package__).joinpath("templates").iterdir()
    texts = {file.name: file.read_text(encoding="utf-8") for file in files if file.name.endswith(".jinja")}
    environment = Environment(
        loader=DictLoader(texts),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment


def breakable(architecture: str) -> Markup:
    """The text of an architecture as HTML that may be broken between operators, not inside their names."""
    return Markup(re.sub(r"\+|(?<=[\w>])\|(?=\w)", r"\g<0><wbr>", str(escape(visible(architecture)))))
