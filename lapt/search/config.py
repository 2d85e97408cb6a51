"""The section ``search`` of a pipeline: the budget, and the parameters that the method's own class declares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast

from pydantic import Field, ValidationError, create_model

from lapt.base.declarations import Frozen
from lapt.errors import ConfigError
from lapt.evaluation import Evaluator
from lapt.search.feasible import Feasible
from lapt.search.loop import asking
from lapt.search.registry import SEARCHERS
from lapt.search.searcher import NOTHING, Prior, Searcher
from lapt.spaces import SearchSpace

DEFAULT = "gp"
"""Method of a search that names none: the one that finds most in few evaluations (docs/benchmarks.md)."""


class SearchSection(Frozen):
    """Settings that every method has: the budget, in the terms of Table 1."""

    population_size: int = Field(5, ge=1)
    generations: int = Field(1, ge=1, description="generations an iteration")
    ask_size: int | None = Field(None, ge=1, description="architectures asked for at a time; population_size if unset")
    method: str = DEFAULT

    def budget(self, iteration: int) -> int:
        """Evaluations of that iteration. The first one also pays for the initial population (5 + 3 x 5 on NAS201)."""
        return self.population_size * (self.generations + (iteration == 1))

    @property
    def asked(self) -> int:
        return self.ask_size or self.population_size

    @property
    def parameters(self) -> dict[str, Any]:
        """The method's own parameters."""
        return {name: getattr(self, name) for name in SEARCHERS[self.method].Parameters.model_fields}

    def searcher(
        self,
        space: SearchSpace,
        evaluator: Evaluator,
        *,
        seed: int | Sequence[int],
        prior: Prior = NOTHING,
        at_least: int = 0,
        feasible: Feasible | None = None,
    ) -> Searcher:
        """A new searcher of the method, with its declared parameters. ``at_least``, ``feasible``: as in ``askable``."""
        method = SEARCHERS[self.method]

        def make(there: SearchSpace) -> Searcher:
            return method(there, seed=seed, identity=evaluator.identity, prior=prior, **self.parameters)

        return asking(make, space, evaluator, at_least=at_least, feasible=feasible)

    def by(self, method: str) -> SearchSection:
        """The same budget for another method, whose own parameters have their defaults.

        Raises ConfigError if these do not fit the budget.
        """
        if method == self.method:
            return self
        budget = self.model_dump(include=set(SearchSection.model_fields))
        try:
            return _section_of(budget | {"method": method})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ConfigError(
                f"defaults of {method} for {'.'.join(map(str, first['loc'][-1:])) or 'its parameters'}",
                first["msg"][:1].lower() + first["msg"][1:],
                f"declare search.method={method} with its parameters",
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _section_of, (self.model_dump(),)  # the classes below are made at import: pickle could not name them


def _section_of(declared: dict[str, Any]) -> SearchSection:
    return SECTIONS[declared["method"]].model_validate(declared)


def _declared(method: str) -> type[SearchSection]:
    searcher = SEARCHERS[method]
    made: dict[str, Any] = {"__base__": (searcher.Parameters, SearchSection), "method": (Literal[method], method)}
    return cast(type[SearchSection], create_model(method, __doc__=searcher.__doc__, **made))


def _sections() -> dict[str, type[SearchSection]]:
    found = {}
    for method in SEARCHERS:
        try:
            found[method] = _declared(method)
        except Exception as error:  # another package's fault must not stop what does without it  # noqa: BLE001
            warnings.warn(f"the search method {method} is left out: {' '.join(str(error).split())}", stacklevel=2)
    return found


SECTIONS = _sections()
"""Method -> class of its section, with those of installed packages."""
DefaultSearch = SECTIONS[DEFAULT]
if TYPE_CHECKING:
    Search = SearchSection
else:
    Search = Annotated[Union[tuple(SECTIONS.values())], Field(discriminator="method")]  # noqa: UP007


def spelt_out(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The section with ``method: optuna:SAMPLER`` in two keys."""
    method, colon, sampler = str(declared.get("method")).partition(":")
    return {**declared, "method": method, "sampler": sampler} if colon and method == "optuna" else dict(declared)


def keep_what_fits(declared: dict[str, Any]) -> None:
    """Drop declared parameters that another method lacks: it takes over the budget alone."""
    declared |= spelt_out(declared)
    section = SECTIONS.get(str(declared["method"]))
    for key in [key for key in declared if section is not None and key not in section.model_fields]:
        del declared[key]
