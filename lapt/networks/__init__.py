"""Networks: any architecture of a space as a torch module, and its size in closed form.

Importing this imports torch.
"""

from lapt.errors import ConfigError

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ConfigError("torch, to build networks", "an environment without it", "pip install 'lapt[train]'") from None

from lapt.networks.backbone import Backbone, Classifier, backbone
from lapt.networks.counts import flops, live_parameters, parameters
from lapt.networks.darts.cells import AuxiliaryHead, DartsBackbone
from lapt.networks.darts.counts import auxiliary_parameters, darts_counts
from lapt.networks.supernet import Supernet

__all__ = [
    "AuxiliaryHead",
    "Backbone",
    "Classifier",
    "DartsBackbone",
    "Supernet",
    "auxiliary_parameters",
    "backbone",
    "darts_counts",
    "flops",
    "live_parameters",
    "parameters",
]
