"""Pages from the templates. Everything is escaped but the style sheet and the figures: what a model wrote is text."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from lapt.pipeline.wording import visible


class Column(NamedTuple):
    """``number``: set to the right; ``code``, of the last one alone: an architecture, in a line below the others."""

    name: str
    number: bool = False
    code: bool = False


class Row(NamedTuple):
    cells: tuple[str, ...]
    ours: bool = False


class Table:
    """Columns, and the rows added."""

    def __init__(self, *columns: Column) -> None:
        self.columns = columns
        self.rows: list[Row] = []

    def add(self, *cells: str, ours: bool = False) -> None:
        assert len(cells) == len(self.columns)
        self.rows.append(Row(cells, ours))


def number(value: float) -> str:
    """With a comma each three digits; a whole space's size in powers of ten where it is beyond reading."""
    return f"{value:,}" if value < 1e12 else f"{float(value):.2g}"


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
    """Where a narrow screen may break the text of an architecture: between operators, not inside their names."""
    return Markup(re.sub(r"\+|(?<=[\w>])\|(?=\w)", r"\g<0><wbr>", str(escape(architecture))))
