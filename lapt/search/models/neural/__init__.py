"""Torch modules that search methods learn with: encoders of architectures, a relation, a deep kernel.

Importing this package imports torch. A search method imports it when it is made; other methods need no torch.
"""

from lapt.errors import ConfigError

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ConfigError(
        "torch, for a search method that learns with networks",
        "an environment without it",
        "pip install 'lapt[train]', or name another method",
    ) from None

from lapt.search.models.neural.encoders import Scorer, embedded, fit_scorer
from lapt.search.models.neural.fitting import seeded
from lapt.search.models.neural.kernel import DeepKernel
from lapt.search.models.neural.relation import Relation, fit_relation, wins

__all__ = ["DeepKernel", "Relation", "Scorer", "embedded", "fit_relation", "fit_scorer", "seeded", "wins"]
