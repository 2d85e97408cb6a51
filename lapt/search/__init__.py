"""Search methods behind ask and tell."""

from lapt.search.bayesian import GaussianProcessSearch, HeboLike
from lapt.search.local_search import LocalSearch
from lapt.search.predictors import Bananas, WeakNas
from lapt.search.prior import NOTHING, Prior
from lapt.search.random_search import RandomSearch
from lapt.search.rea import RegularizedEvolution
from lapt.search.registry import SEARCHERS
from lapt.search.searcher import Searcher

__all__ = [
    "NOTHING",
    "SEARCHERS",
    "Bananas",
    "GaussianProcessSearch",
    "HeboLike",
    "LocalSearch",
    "Prior",
    "RandomSearch",
    "RegularizedEvolution",
    "Searcher",
    "WeakNas",
]
