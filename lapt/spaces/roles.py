"""Roles of operators: what one is, whatever a space calls it."""

from __future__ import annotations

import re
from typing import Literal, get_args

from lapt.base.declarations import Frozen

Kind = Literal["zero", "identity", "pooling", "convolution"]
Form = Literal["plain", "separable", "dilated", "depthwise", "grouped", "inverted", "average", "max"]
"""The way that a convolution or a pooling computes. separable: depthwise, then 1x1. dilated: the same, with holes in
the kernel. inverted: an inverted residual, a depthwise convolution between two of 1x1."""

_POOLS: tuple[Form, ...] = ("average", "max")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_KERNEL = re.compile(
    r"(\d{1,2})x\1(?!\d)|(?<![a-z])k(?:ernel)?_?(\d{1,2})(?!\d)|(?:conv|pool|mb|ir|sep|dil)_?(\d{1,2})(?![\dx])"
)
_EXPANSION = re.compile(r"(?<![a-z])(?:e|exp|expand|expansion|ratio)_?(\d{1,2}(?:\.\d+)?)(?!\d)")
_FORMS: tuple[tuple[str, Form], ...] = (
    (r"inverted|mb_?conv|(?<![a-z])mb_?\d|(?<![a-z])mb(?![a-z])|(?<![a-z])ir(?![a-z])", "inverted"),
    (r"dil", "dilated"),
    (r"sep", "separable"),
    (r"depthwise|(?<![a-z])dw", "depthwise"),
    (r"group", "grouped"),
)


class Role(Frozen):
    """The nature of an operator.

    ``kernel``: side of the window of a convolution or pooling, None if unknown. ``expansion``: factor by which an
    inverted residual widens, None if unknown.
    """

    kind: Kind
    form: Form | None = None
    kernel: int | None = None
    expansion: float | None = None

    def __str__(self) -> str:
        words = [] if self.form in (None, "plain") else [str(self.form)]
        words += [self.kind] + ([] if self.kernel is None else [f"{self.kernel}x{self.kernel}"])
        return " ".join([*words, *([] if self.expansion is None else [f"expansion {self.expansion:g}"])])


def role_of(text: str) -> Role:
    """The role in words, as ``str`` writes it: "separable convolution 3x3", "max pooling", "identity".

    The words may have any order, and ``convolution`` may be left out beside its form. Raises ValueError for others.
    """
    kind: str | None = None
    form: str | None = None
    kernel: int | None = None
    expansion: float | None = None
    words = iter(text.lower().split())
    for word in words:
        side = re.fullmatch(r"(\d{1,2})x(\d{1,2})", word)
        if word in get_args(Kind) and kind is None:
            kind = word
        elif word in get_args(Form) and form is None:
            form = word
        elif side is not None and side[1] == side[2] and int(side[1]) and kernel is None:
            kernel = int(side[1])
        elif word == "expansion" and expansion is None and _NUMBER.fullmatch(number := next(words, "")):
            expansion = float(number)
        elif word != "residual":
            raise _no_role(text)
    kind = kind or ("pooling" if form in _POOLS else "convolution" if form else None)
    if kind is None or (form is not None and kind != ("pooling" if form in _POOLS else "convolution")):
        raise _no_role(text)
    if kind in ("zero", "identity") and (kernel or expansion):
        raise _no_role(text)
    if kind == "convolution" and form is None:
        form = "plain"
    return Role.model_validate({"kind": kind, "form": form, "kernel": kernel, "expansion": expansion})


def inferred(name: str) -> Role | None:
    """The role that a name, or a few words, of an operator tell: sep_conv_3x3, mbconv3_e6, avg_pool; None if they tell
    none."""
    said = re.sub(r"[\s.-]+", "_", name.lower())
    if re.fullmatch(r"none|zeros?|zeroi[sz]e|null", said):
        return Role(kind="zero")
    if re.fullmatch(r"skip(_?connect(ion)?)?|id(entity)?(,_.*)?|pass", said):
        return Role(kind="identity")
    sides = _KERNEL.search(said)
    kernel = None if sides is None else int(next(filter(None, sides.groups())))
    if "pool" in said:
        form: Form | None = "max" if "max" in said else "average" if re.search(r"avg|average|mean", said) else None
        return Role(kind="pooling", form=form, kernel=kernel)
    form = next((form for pattern, form in _FORMS if re.search(pattern, said)), None)
    if "conv" not in said and form not in ("inverted",):
        return None
    wider = _EXPANSION.search(said) if form == "inverted" else None
    return Role(
        kind="convolution", form=form or "plain", kernel=kernel, expansion=None if wider is None else float(wider[1])
    )


def _no_role(text: str) -> ValueError:
    return ValueError(
        f"{text!r:.60} is no role: write {', '.join(get_args(Kind))}, with a form ({', '.join(get_args(Form))}), "
        "a kernel (3x3) and an expansion (expansion 6) where they are known"
    )
