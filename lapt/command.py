"""The command ``lapt``."""

from __future__ import annotations

import importlib
import sys

from lapt.base.packages import OursFirst

# At import, not in main: a spawned process imports this module as its parent's main module did, and calls nothing.
sys.meta_path.insert(0, OursFirst)


def main() -> None:
    try:
        importlib.import_module("flows.cli.app").main()
    except KeyboardInterrupt:  # while it was being imported
        sys.exit(130)
