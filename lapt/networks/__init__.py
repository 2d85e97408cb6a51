"""Networks: any architecture of a space as a torch module, and its size in closed form.

Importing this imports torch.
"""

from lapt.errors import ConfigError

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ConfigError("torch, to build networks", "an environment without it", "pip install 'lapt[train]'") from None

from lapt.networks.family import (
    CellNetworks,
    Classifier,
    Counts,
    Features,
    NetworkSize,
    backbone,
    counts,
    live_parameters,
)
from lapt.networks.supernet import Supernet

__all__ = [
    "CellNetworks",
    "Classifier",
    "Counts",
    "Features",
    "NetworkSize",
    "Supernet",
    "backbone",
    "counts",
    "live_parameters",
]
