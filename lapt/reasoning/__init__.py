"""Reasoners, which read architectures and state principles."""

from lapt.reasoning.frequency import Chance, Frequency
from lapt.reasoning.joined import Joined
from lapt.reasoning.language.chat import Chat
from lapt.reasoning.patterns import Patterns
from lapt.reasoning.reasoner import Reasoner
from lapt.reasoning.recalled import Following, Recalled, Unguided
from lapt.reasoning.stated import Stated

__all__ = [
    "Chance",
    "Chat",
    "Following",
    "Frequency",
    "Joined",
    "Patterns",
    "Reasoner",
    "Recalled",
    "Stated",
    "Unguided",
]
