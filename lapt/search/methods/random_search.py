"""Uniform random search without replacement."""

from __future__ import annotations

from lapt.search.searcher import Searcher
from lapt.spaces import Architecture


class RandomSearch(Searcher):
    """Every unseen member of the space is equally likely."""

    def propose(self) -> Architecture:
        return self.space.sample(self.rng)
