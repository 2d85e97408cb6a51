"""Pages from the templates. Everything is escaped but the style sheet and the figures: what a model wrote is text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lapt.base.shipped import text_beside
from lapt.pipeline.wording import visible


def page(template: str, **variables: Any) -> str:
    """The page of that name (``lapt/report/templates/<name>.html.jinja``) with its variables filled in."""
    environment = _environment()
    css = Markup(text_beside(__name__, "templates/style.css"))
    return environment.get_template(f"{template}.html.jinja").render(css=css, **variables)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lapt.report"),
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
