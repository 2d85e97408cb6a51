"""Trained weights with the configuration that they belong to, in one file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch


def with_config(weights: bytes, config: Mapping[str, Any]) -> bytes:
    """The bytes of a file that ``torch.load(path, weights_only=True)`` reads as {"config": ..., "state_dict": ...}.

    ``weights``: a state dict as ``torch.save`` wrote it. ``config``: JSON types alone.
    """
    buffer = io.BytesIO()
    state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    torch.save({"config": dict(config), "state_dict": state}, buffer)
    return buffer.getvalue()
