"""Training from scratch: recipes, image data, tasks and one loop.

Importing this package imports no torch: ``lapt.config`` needs :class:`Recipe` alone. The rest is imported from its own
module: ``lapt.training.data``, ``sources``, ``tasks``, ``network``, ``loop``, ``device``.
"""

from lapt.training.recipe import Augmentation, Recipe

WORKER = "LAPT_WORKER"
"""Environment variable of a process that trains beside others: its number, from 0."""

__all__ = ["WORKER", "Augmentation", "Recipe"]
