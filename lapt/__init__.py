"""LAPT: design principle transfer in neural architecture search (Zhou et al., AAAI 2025).

The domain and the algorithm, and a front door to all of it::

    import lapt

    found = lapt.transfer(score, source=lapt.table("nasbench201", "imagenet16_120"), budget=20)

Names are imported when they are first used: nothing here knows Prefect, torch, files or SQL before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapt.errors import LaptError
    from lapt.evaluation import Evaluation, Evaluator, Metric
    from lapt.front.places import OpenStore, known_principles, open_store, run, space, table
    from lapt.front.result import Result
    from lapt.front.study import Study
    from lapt.front.transfer import ask_tell, transfer
    from lapt.principles import Principles
    from lapt.spaces import Architecture, SearchSpace

__version__ = "0.2.0"

_HOMES = {
    "lapt.errors": ("LaptError",),
    "lapt.evaluation": ("Evaluation", "Evaluator", "Metric"),
    "lapt.front.places": ("OpenStore", "known_principles", "open_store", "run", "space", "table"),
    "lapt.front.result": ("Result",),
    "lapt.front.study": ("Study",),
    "lapt.front.transfer": ("ask_tell", "transfer"),
    "lapt.principles": ("Principles",),
    "lapt.spaces": ("Architecture", "SearchSpace"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Architecture",
    "Evaluation",
    "Evaluator",
    "LaptError",
    "Metric",
    "OpenStore",
    "Principles",
    "Result",
    "SearchSpace",
    "Study",
    "__version__",
    "ask_tell",
    "known_principles",
    "open_store",
    "run",
    "space",
    "table",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lapt' has no attribute {name!r}; it has {', '.join(sorted(_HOME_OF))}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
