"""Reasoners: what reads architectures and states principles."""

from lapt.reasoning.frequency import Frequency
from lapt.reasoning.reasoner import Reasoner

__all__ = ["Frequency", "Reasoner"]
