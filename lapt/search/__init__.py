"""Search methods with the interface ask and tell."""

from lapt.search.methods.bayesian import GaussianProcessSearch, HeboLike
from lapt.search.methods.model_free import LocalSearch, RandomSearch, RegularizedEvolution
from lapt.search.methods.predictors import Bananas, WeakNas
from lapt.search.registry import SEARCHERS
from lapt.search.searcher import NOTHING, Prior, Searcher

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
