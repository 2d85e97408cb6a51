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

__all__ = ["Backbone", "Classifier", "backbone", "flops", "live_parameters", "parameters"]
