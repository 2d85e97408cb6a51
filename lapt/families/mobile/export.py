"""Mobile networks as Python source that needs torch and not torchvision.

The classes there are torchvision's blocks of MobileNetV3 in short, with the same names of weights.
"""

from __future__ import annotations

from lapt.base.templates import rendered
from lapt.export.text import Written
from lapt.families.mobile.cell import MobileCell
from lapt.families.mobile.networks.modules import MobileBackbone, halved
from lapt.networks.family import NetworkSize
from lapt.spaces import Architecture


def written(family: MobileCell, architecture: Architecture, body: MobileBackbone, size: NetworkSize) -> Written:
    """The answer to ``lapt.export.source``."""
    squeezes = any(block.squeezes for block in body.plan.blocks)
    classes = ["squeeze"] if squeezes else []
    texts = [
        rendered("lapt.families.mobile", name, body=body, plan=body.plan, squeezes=squeezes)
        for name in ("layer", *classes, "block", "backbone")
    ]
    count = len(body.plan.blocks)
    return Written(texts, f"{count} inverted residual blocks in four stages", quoted=(halved,))
