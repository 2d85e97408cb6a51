"""Search methods by name: LAPT's own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from lapt.errors import ConfigError
from lapt.search.methods.bayesian import GaussianProcessSearch, HeboLike
from lapt.search.methods.by_optuna import OptunaSearch
from lapt.search.methods.evolutionary import Nsga2
from lapt.search.methods.gradient_based import Darts, FairDarts, PcDarts, Snas
from lapt.search.methods.model_free import LocalSearch, RandomSearch, RegularizedEvolution
from lapt.search.methods.predictors import Bananas, WeakNas
from lapt.search.methods.transfer import ArchGraph, ArchZero, Bonas, TransferGP, WeakNasTransfer
from lapt.search.searcher import Searcher

GROUP = "lapt.searchers"
"""Group of entry points through which other packages offer search methods: a name, and its Searcher subclass."""

_OWN: dict[str, type[Searcher]] = {
    "random": RandomSearch,
    "rea": RegularizedEvolution,
    "gp": GaussianProcessSearch,
    "hebo_like": HeboLike,
    "local_search": LocalSearch,
    "bananas": Bananas,
    "weaknas": WeakNas,
    "bonas": Bonas,
    "weaknas_t": WeakNasTransfer,
    "arch_graph": ArchGraph,
    "arch_zero": ArchZero,
    "transfer_gp": TransferGP,
    "darts": Darts,
    "pc_darts": PcDarts,
    "snas": Snas,
    "fair_darts": FairDarts,
    "optuna": OptunaSearch,
    "nsga2": Nsga2,
}


class Searchers(Mapping[str, type[Searcher]]):
    """Name -> class. LAPT's own names cannot be taken. Another package is imported when its method is looked up."""

    def __getitem__(self, name: str) -> type[Searcher]:
        """The class of a method. Raises KeyError for an unknown name, ConfigError for an offer that is no search
        method."""
        if name in _OWN:
            return _OWN[name]
        offer = self._offers[name]
        try:
            found = offer.load()
        except Exception as error:  # whatever another package does when it is imported
            raise self._broken(offer, f"{type(error).__name__}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, Searcher)):
            raise self._broken(offer, f"{found!r:.80}")
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*_OWN, *self._offers])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def _offers(self) -> dict[str, EntryPoint]:
        return {offer.name: offer for offer in entry_points(group=GROUP)}

    @staticmethod
    def _broken(offer: EntryPoint, got: str) -> ConfigError:
        package = offer.dist.name if offer.dist is not None else offer.value
        return ConfigError(
            f"a subclass of lapt.search.Searcher behind the method {offer.name} of {package}",
            " ".join(got.split()),
            f"mend or remove {package}",
        )


SEARCHERS = Searchers()
"""Name -> class of each search method."""
