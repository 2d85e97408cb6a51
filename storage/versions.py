"""Versions of the software that a result may depend on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("lapt", "numpy", "scipy", "scikit-learn", "torch", "torchvision")


@cache
def versions() -> Mapping[str, str]:
    """Package -> version, of the installed packages and of Python."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def versions_text() -> str:
    """``versions`` as JSON text for the store."""
    return json.dumps(versions(), sort_keys=True, separators=(",", ":"))
