"""Content digests: the same content has the same name on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def digest(content: Mapping[str, Any] | Sequence[Any] | str) -> str:
    """SHA-256 (64 hex digits) of the content as JSON with sorted keys. NaN is refused."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def short(content: Mapping[str, Any] | Sequence[Any] | str) -> str:
    """The first 12 digits, for ids that people read."""
    return digest(content)[:12]
