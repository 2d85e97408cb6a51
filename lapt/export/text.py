"""Pieces of Python source, and the result of a cell family's ``export`` function."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent
from typing import Any, NamedTuple

MODULE = '''class {name}(nn.Module):
    """{title}"""
{constructor}
    def forward(self, {input}: Tensor) -> Tensor:
{forward}'''

CONSTRUCTOR = """
    def __init__(self{parameters}) -> None:
        super().__init__()
{lines}
"""


class Written(NamedTuple):
    """A network as text: the answer of a family's ``export`` function to (family, architecture, backbone, size).

    ``classes``: the text of the classes of its cells and of ``Backbone``. ``live``, ``dead``: the parts of the
    architecture that are at work and those left out, in words. ``quoted``: LAPT's own classes and functions that these
    use, beside those of ``lapt.networks.operators``, in order.
    """

    classes: list[str]
    live: str
    dead: str = ""
    quoted: tuple[Any, ...] = ()


def sequential(modules: Iterable[str]) -> str:
    return "\n".join(["nn.Sequential(", *(f"    {module}," for module in modules), ")"])


def class_text(
    name: str, title: str, lines: list[str], tensor: str, forward: str, parameters: Iterable[str] = ()
) -> str:
    """The text of a class; without a constructor if there is nothing to construct."""
    constructor = CONSTRUCTOR.format(
        parameters="".join(f", {parameter}: int" for parameter in parameters),
        lines=indent("\n".join(lines), " " * 8),
    )
    return MODULE.format(
        name=name,
        title=title,
        constructor=constructor.rstrip("\n") + "\n" if lines else "",
        input=tensor,
        forward=indent(forward, " " * 8),
    )
