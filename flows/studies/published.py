"""Published results, to stand beside ours (Zhou et al., AAAI 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from lapt.base.shipped import table_beside
from lapt.pipeline.config import Pipeline


class Published(NamedTuple):
    """One published row: test accuracy in % and evaluations, per target. ``name``: as printed there.

    ``reasoner``: the LLM, for LAPT. ``rank``: mean over the tasks, of the architecture that is returned. ``printed``:
    per target, figures of metrics or splits that the table here lacks. ``protocol``: the setting of a row of another
    paper.
    """

    method: str
    name: str
    test: dict[str, float]
    archs: dict[str, str]
    reasoner: str | None = None
    rank: float | None = None
    printed: dict[str, str] | None = None
    protocol: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """Published rows and the setting of their measurement. They are shown only beside results of that setting.

    ``benchmark``: the name of its space's table; ``budget``: evaluations a target of LAPT.
    """

    name: str
    rows: tuple[Published, ...]
    space: str
    benchmark: str
    source: str
    targets: tuple[str, ...]
    budget: int

    def stands_beside(self, pipeline: Pipeline) -> bool:
        """Whether the pipeline has this setting. Single tasks: some of the targets are enough; mean ranks: all are
        needed."""
        asked, whole = set(pipeline.targets), set(self.targets)
        return (
            pipeline.space == self.space
            and getattr(pipeline.evaluator, "table", None) == self.benchmark
            and pipeline.source.named == self.source
            and (asked == whole if any(row.rank is not None for row in self.rows) else asked <= whole)
            and pipeline.budget == self.budget
        )

    @property
    def setting(self) -> str:
        return f"{self.benchmark}, {self.source} to {', '.join(self.targets)}, {self.budget} evaluations a target"


class PublishedNetwork(NamedTuple):
    """One published network, as printed: test accuracy in % (top-1 on ImageNet), GPU days of its search, parameters.

    ``counted``: the network counted here, a name in ``lapt.networks.references`` or in
    ``lapt.families.darts.published_cells``; None if it is not known here. ``remark``: a note on that.
    ``parameters``: None if the table has no such column.
    """

    name: str
    accuracy: str
    gpu_days: str
    parameters: str | None = None
    counted: str | None = None
    remark: str = ""


OURS = "LAPT-REA"
"""The row of Tables 4 and 5 that a run of this program can be compared with."""

_PRINTED: dict[str, Any] = table_beside(__name__)


def _table(found: dict[str, Any]) -> PublishedTable:
    rows = tuple(Published(**{"test": {}, "archs": {}, **row}) for row in found["rows"])
    return PublishedTable(**{**found, "rows": rows, "targets": tuple(found["targets"])})


TABLE_2, TABLE_2_IMAGENET, TABLE_3 = (_table(_PRINTED[name]) for name in ("table2", "table2_imagenet", "table3"))
BEST = "best"
"""The published row of the best architecture there is, which no method need have found."""
TABLE_4, TABLE_5 = (tuple(PublishedNetwork(**row) for row in _PRINTED[name]) for name in ("table4", "table5"))
