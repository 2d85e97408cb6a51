"""Search methods with the interface ask and tell."""

from lapt.search.methods.bayesian import GaussianProcessSearch, HeboLike
from lapt.search.methods.local_search import LocalSearch
from lapt.search.methods.predictors import Bananas, WeakNas
from lapt.search.methods.random_search import RandomSearch
from lapt.search.methods.rea import RegularizedEvolution
from lapt.search.prior import NOTHING, Prior
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
