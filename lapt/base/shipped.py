"""Files that ship beside a module: its texts, and its table as YAML."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's reader where there is one: a tenth of the time. What ships needs none of the checks of what users write."""


def text_beside(module: str, file: str) -> str:
    """The text of a file in the folder of a module, which is said as its ``__name__``."""
    return resources.files(module.rpartition(".")[0]).joinpath(file).read_text(encoding="utf-8")


def table_beside(module: str) -> Any:
    """The content of the YAML file that has the name of a module, which need not be there."""
    return _Loader(text_beside(module, f"{module.rpartition('.')[2]}.yaml")).get_single_data()
