"""Pieces of Python source, and the result of a cell family's ``export`` function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


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
