"""The versions of what a result may depend on."""

from __future__ import annotations

import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("lapt", "numpy", "scipy", "scikit-learn", "torch", "torchvision")


@cache
def versions() -> str:
    """JSON: package -> version, of those that are here, and of Python."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return json.dumps(found, sort_keys=True, separators=(",", ":"))
