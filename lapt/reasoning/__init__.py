"""Reasoners, which read architectures and state principles."""

from lapt.reasoning.frequency import Chance, Frequency
from lapt.reasoning.language.chat import Chat
from lapt.reasoning.patterns import Patterns
from lapt.reasoning.reasoner import Reasoner

__all__ = ["Chance", "Chat", "Frequency", "Patterns", "Reasoner"]
