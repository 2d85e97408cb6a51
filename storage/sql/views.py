"""SQL of the store's views. ``raw.<data set>`` holds the rows as they were appended."""

from __future__ import annotations

from lapt.base.shipped import text_beside
from storage.schemas import KEYS, SCHEMAS

_FIRST = {"scores": "(status = 'ok') DESC, "}
"""Order of rows with one key, before their time."""


def earliest(dataset: str, source: str) -> str:
    """The earliest row of each key in the source. Of two at the same microsecond it is always the same one, the
    lesser."""
    return f"""
        SELECT * FROM {source} one QUALIFY row_number() OVER (
            PARTITION BY {", ".join(KEYS[dataset])} ORDER BY {_FIRST.get(dataset, "")}created_at, one) = 1
    """


# Of a data set with a merged file, ``raw.<data set>_merged`` holds rows of which no two have one key and
# ``raw.<data set>_rest`` the others: few, as are the keys in both. Only these go through a window.


def everything(dataset: str) -> str:
    """The SQL of ``raw.<data set>`` in that case: its merged rows and the rest."""
    return f"{_all_of(dataset, 'merged')} UNION ALL {_all_of(dataset, 'rest')}"


def contested(dataset: str) -> str:
    """The keys that are both in the merged rows and in the rest."""
    key = ", ".join(KEYS[dataset])
    return f"SELECT {key} FROM raw.{dataset}_merged one SEMI JOIN raw.{dataset}_rest other ON {_same_key(dataset)}"


def counted(dataset: str, contested: bool) -> str:
    """The rows that count of the rest and, if ``contested``, of merged rows with a key in ``raw.<data
    set>_contested``."""
    rest = _all_of(dataset, "rest")
    if contested:
        rest += f" UNION ALL {_all_of(dataset, 'merged')} one SEMI JOIN {_contested(dataset)}"
    return earliest(dataset, f"({rest})")


def uncontested(dataset: str, contested: bool) -> str:
    """The SQL of the view, once ``raw.<data set>_counted`` has the rows of ``counted``."""
    merged = _all_of(dataset, "merged")
    if contested:
        merged += f" one ANTI JOIN {_contested(dataset)}"
    return f"{merged} UNION ALL {_all_of(dataset, 'counted')}"


def _all_of(dataset: str, part: str) -> str:
    return f"SELECT {', '.join(SCHEMAS[dataset].names)} FROM raw.{dataset}_{part}"


def _contested(dataset: str) -> str:
    return f"raw.{dataset}_contested other ON {_same_key(dataset)}"


def _same_key(dataset: str) -> str:
    return " AND ".join(f"one.{column} IS NOT DISTINCT FROM other.{column}" for column in KEYS[dataset])


_EVALUATIONS = ("trials", "scores", "subspaces")

NEEDS: dict[str, tuple[str, ...]] = {
    **{dataset: (dataset,) for dataset in SCHEMAS},
    "evaluations": _EVALUATIONS,
    "leaderboard": _EVALUATIONS,
    "anytime": _EVALUATIONS,
    "lineage": (*_EVALUATIONS, "principles"),
    "costs": (*_EVALUATIONS, "reasoner_calls", "supernets", "runs"),
    "front": ("runs",),
}
"""View -> the data sets that it reads, in an order in which each view follows those that it reads."""

VIEWS: dict[str, str] = {
    name: earliest(name, f"raw.{name}") if name in SCHEMAS else text_beside(__name__, f"{name}.sql") for name in NEEDS
}
"""View -> query, in that order. A data set's own view is made here; each of the others is a file in this folder."""
