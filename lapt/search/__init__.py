"""Search methods with the interface ask and tell."""

from lapt.search.registry import SEARCHERS
from lapt.search.searcher import NOTHING, Prior, Searcher

__all__ = ["NOTHING", "SEARCHERS", "Prior", "Searcher"]
