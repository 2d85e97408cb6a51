"""Bounds of conditions in another space: those whose share of it is nearest to the share of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import product

from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import Bounds, Condition, Length
from lapt.errors import SpaceError
from lapt.roles.operators import Behind
from lapt.roles.way import Limits, Way
from lapt.spaces import SearchSpace

RARE = 0.01
"""The share of the target that a condition must hold for, and not hold for, to tell anything."""


@lru_cache(maxsize=4096)
def rate(condition: Condition, space: SearchSpace) -> float:
    """The share of a space, or of a sample of it, that a condition holds for. Raises Behind if that is not known."""
    try:
        return float(holding(condition, members_of(space)).mean())
    except SpaceError as error:
        raise Behind(str(error)) from None


def check(condition: Condition, target: SearchSpace) -> None:
    """Raise Behind if the condition holds for almost all or almost none of the target."""
    share = rate(condition, target)
    if not RARE <= share <= 1 - RARE:
        often = "all" if share == 1 else "none" if share == 0 else f"{share:.1%}"
        raise Behind(f"it holds for {often} of {target.name}", held=share > 0.5)


def nearest(condition: Condition, forms: Iterable[Iterable[Condition]], way: Way) -> Condition:
    """Of the first form that tells something in the target, the bounds whose share is nearest to that in the source."""
    wanted, last = rate(condition, way.source), None
    if wanted in (0, 1):
        raise Behind(f"it holds for {'all' if wanted else 'none'} of {way.source.name}", held=bool(wanted))
    for form in forms:
        shares = [(one, rate(one, way.target)) for one in form]
        usual = [(abs(share - wanted), at) for at, (_, share) in enumerate(shares) if RARE <= share <= 1 - RARE]
        if usual:
            return shares[min(usual)[1]][0]
        if shares:
            last = min((share for _, share in shares), key=lambda share: abs(share - wanted))
    if last is None:
        raise Behind(f"nothing in {way.target.name} says the same")
    often = "all" if last == 1 else "none" if last == 0 else f"{last:.1%}"
    raise Behind(f"it holds for {often} of {way.target.name}, however it is bounded", held=last > 0.5)


def scaled(bounds: Bounds | Length, least: int, most: int) -> Iterator[Limits]:
    """Bounds of the same kind, the smallest first: at_least, at_most, or both."""
    if bounds.at_most is None:
        yield from ({"at_least": low} for low in range(max(least, 1), most + 1))
    elif not bounds.at_least:
        yield from ({"at_most": high} for high in range(least, most))
    else:
        numbers = range(max(least, 1), most + 1)
        yield from ({"at_least": low, "at_most": high} for low, high in product(numbers, numbers) if low <= high)


def bounded(condition: Condition, make: Callable[[Limits], Condition], way: Way, least: int, most: int) -> Condition:
    """``make`` with the bounds that stand for those of the condition, a leaf, between ``least`` and ``most``.

    The same ones where the target has the same shape, if they tell something there. Else each end is the one whose
    share is nearest; if both together tell nothing, the two whose common share is.
    """
    (kind,) = type(condition).model_fields
    said: Bounds = getattr(condition, kind)
    both = bool(said.at_least) and said.at_most is not None

    def forms() -> Iterator[Iterable[Condition]]:
        if way.same_shape:
            yield [make({"at_least": said.at_least, "at_most": said.at_most})]
        if both:
            ends: Limits = {}
            for other in ("at_most", "at_least"):
                alone = condition.model_copy(update={kind: said.model_copy(update={other: None})})
                wanted = rate(alone, way.source)
                limits = scaled(getattr(alone, kind), least, most)
                shares = [(abs(rate(make(one), way.target) - wanted), at, one) for at, one in enumerate(limits)]
                ends.update(min(shares)[2])
            if ends["at_least"] <= ends["at_most"]:
                yield [make(ends)]
        yield (make(limits) for limits in scaled(said, least, most))

    return nearest(condition, forms(), way)
