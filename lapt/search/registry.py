"""Search methods by name: LAPT's own, and those of installed packages."""

from __future__ import annotations

from lapt.base.offered import Offered
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


def _is_searcher(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Searcher)


SEARCHERS: Offered[type[Searcher]] = Offered(
    GROUP, _OWN, kind="method", wanted="a subclass of lapt.search.Searcher", suits=_is_searcher
)
"""Name -> class of each search method."""
