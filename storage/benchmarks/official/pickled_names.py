"""The short list of names allowed in a pickle. A pickle cannot make LAPT import or call anything else.

Values from a pickle are compared, but never hashed or printed before their type is known. Hashing a tuple nested a
million deep crashes Python, and printing lists that share lists may never end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np


class Broken(ValueError):
    """The file is no pickle of plain data: cut short, damaged, or of another kind."""


class Forbidden(Exception):
    """The pickle names something that is not on the list."""


@dataclass(frozen=True)
class Named:
    """A name in a pickle. It is looked up below, never imported."""

    name: str


LEFT_OUT = Named("torch.Tensor")
"""Placeholder for a tensor: no benchmark value is one."""


class _NumberType:
    """numpy's dtype of a number. ``code``: such as f8."""

    def __init__(self, code: str, *_: object) -> None:
        if not re.fullmatch(r"[bfiu][1248]", code):
            raise Broken(f"an array of {code[:20]!r}")
        self.code, self.order = code, "<"

    def numbers(self, raw: bytes) -> list[Any]:
        return list(np.frombuffer(raw, self.order + self.code).tolist())


def _scalar(kind: _NumberType, raw: bytes) -> Any:
    (number,) = kind.numbers(raw)
    return number


def _encoded(text: str, encoding: str) -> bytes:
    """The bytes behind their decoded text: protocol 2 has no bytes."""
    if encoding != "latin1":
        raise Broken("bytes in an encoding that pickle does not use")
    return text.encode("latin1")


def _set(members: list[Any]) -> set[Any]:
    check_keys(members)
    return set(members)


MAKERS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": lambda: {},
    "collections.defaultdict": lambda *_: {},
    **{f"{module}.{name}": _set for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
    **{f"{module}.bytes": lambda: b"" for module in ("builtins", "__builtin__")},
    "_codecs.encode": _encoded,
    "numpy.dtype": _NumberType,
    **{f"{module}.scalar": _scalar for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{f"{module}._reconstruct": lambda *_: [] for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{f"torch._utils.{name}": lambda *_: LEFT_OUT for name in ("_rebuild_tensor_v2", "_rebuild_parameter")},
}
"""Functions that are called in place of the pickle's own."""
UNCALLED = re.compile(r"numpy\.ndarray|torch\.\w+Storage|torch\.device|(builtins|__builtin__)\.(int|float|list|dict)")
"""Names that may stand as an argument and are never called."""


def named(module: object, name: object) -> Named:
    """Look up a name. Raises Forbidden if it is not on the list."""
    if type(module) is not str or type(name) is not str:
        raise Broken("a name that is no text")
    full = f"{module}.{name}"
    if full not in MAKERS and not UNCALLED.fullmatch(full):
        raise Forbidden(full[:100] if full.isprintable() else ascii(full[:100]))
    return Named(full)


_PLAIN = frozenset({str, int, float, bool, type(None)})


def check_keys(keys: Collection[object]) -> None:
    """Check that keys and members of sets are plain values or tuples of such. Raises Broken."""
    others = set(map(type, keys)) - _PLAIN
    if others - {tuple}:
        raise Broken(f"a {(others - {tuple}).pop().__name__} as a key")
    if others and any(type(key) is tuple and not _PLAIN.issuperset(map(type, key)) for key in keys):
        raise Broken("a nested tuple as a key")


def made(called: object, arguments: object) -> object:
    """The value of a call in a pickle."""
    if not isinstance(called, Named) or called.name not in MAKERS or type(arguments) is not tuple:
        raise Broken("a call of what cannot be called")
    return MAKERS[called.name](*arguments)


def build(target: object, state: Any) -> None:
    """Give an object its state: a number type its byte order, an array its numbers. A dictionary or tensor gets no
    attributes."""
    if isinstance(target, _NumberType):
        if state[1] not in ("<", ">", "|"):
            raise Broken("a byte order that numpy does not know")
        target.order = state[1]
    elif type(target) is list and not target:
        _, _, kind, _, raw = state
        target.extend(kind.numbers(raw))
    elif type(target) is not dict and target is not LEFT_OUT:
        raise Broken(f"attributes of a {type(target).__name__}")
