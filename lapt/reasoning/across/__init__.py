"""Principles for another search space than they were stated or learned for."""

from lapt.reasoning.across.carried import Carried, carried
from lapt.reasoning.across.learned import learned_across
from lapt.reasoning.across.reasoner import PatternsAcross

__all__ = ["Carried", "PatternsAcross", "carried", "learned_across"]
