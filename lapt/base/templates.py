"""Templates of Python source that ship in the folder ``templates`` of a package."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(package: str, template: str, /, **variables: Any) -> str:
    """The text of ``templates/<template>.py.jinja`` of a package, with its variables filled in."""
    return _environment(package).get_template(f"{template}.py.jinja").render(**variables)


@cache
def _environment(package: str) -> Environment:
    # Python, not HTML for a browser: nothing is escaped.
    loader = PackageLoader(package)
    return Environment(loader=loader, undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
