"""Search methods behind ask and tell."""

from lapt.search.random_search import RandomSearch
from lapt.search.rea import RegularizedEvolution
from lapt.search.searcher import Searcher

SEARCHERS: dict[str, type[Searcher]] = {"random": RandomSearch, "rea": RegularizedEvolution}
"""Search method by name."""

__all__ = ["SEARCHERS", "RandomSearch", "RegularizedEvolution", "Searcher"]
