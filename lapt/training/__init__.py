"""Training from scratch: recipes, image data, tasks and one loop.

Importing this package imports no torch: ``lapt.pipeline.config`` needs :class:`Recipe` alone, and search methods
:class:`Relaxation`. The rest is imported from its own module: ``lapt.data.images``, ``sources``, ``tasks``,
``network``, ``loop``, ``relaxed``, ``device``.
"""

from lapt.training.recipe import Augmentation, Recipe
from lapt.training.relaxation import Relaxation

WORKER = "LAPT_WORKER"
"""Environment variable with the number, from 0, of a process that trains beside others."""

__all__ = ["WORKER", "Augmentation", "Recipe", "Relaxation"]
