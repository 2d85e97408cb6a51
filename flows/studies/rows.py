"""Rows of a study: one for each method, target and quantity."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from lapt.base.statistics import Summary


class Who(NamedTuple):
    """The parts that identify a line of a study."""

    method: str
    reasoner: str | None
    variant: str | None
    source_budget: int | None


class _Line(BaseModel):
    """Base of what is said of one line on one target. ``variant``: of the factor that the study varies."""

    model_config = ConfigDict(frozen=True)

    method: str
    reasoner: str | None
    variant: str | None = None
    source_budget: int | None = None
    target: str

    @property
    def who(self) -> Who:
        return Who(self.method, self.reasoner, self.variant, self.source_budget)


class Row(_Line):
    """One figure over seeds beside the published one.

    ``censored``: seeds that missed the goal within ``budget`` evaluations and count as budget + 1. For scores: seeds
    that found none; they are left out, though their rank is the last. A published method that was not run here has no
    mean and zero seeds. ``draws``: of the reasoner, if it drew apart from the seeds. ``sd_draws``, ``sd_search``: the
    spread between draws, and of the search within one.
    """

    model_config = ConfigDict(extra="forbid")

    quantity: str
    unit: str
    mean: float | None = None
    sd: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    median: float | None = None
    q25: float | None = None
    q75: float | None = None
    censored: int = 0
    seeds: int = 0
    draws: int = 1
    sd_draws: float | None = None
    sd_search: float | None = None
    baseline: str | None = None
    p_value: float | None = None
    published: str | None = None
    budget: int | None = None

    def with_summary(self, summary: Summary) -> Row:
        return self.model_copy(update=summary.model_dump())


class Anytime(_Line):
    """The incumbent of one line on one target, as the budget grows: means over seeds (and draws).

    ``rank``, ``validation``: after each of ``evaluations``; a run that ended earlier stays at its last value.
    ``ranks``: of each run after ``budget`` evaluations, ordered by draw and seed, as ``validations``. No ranks if a
    space cannot be listed; no score (None) until every run that finds any has one.
    """

    evaluations: tuple[int, ...]
    rank: tuple[float, ...]
    validation: tuple[float | None, ...]
    budget: int
    ranks: tuple[int, ...]
    validations: tuple[float, ...] = ()


class StudyResult(BaseModel):
    """A study's rows and the settings of their measurement."""

    model_config = ConfigDict(frozen=True)

    study: str
    title: str = ""
    """Title of its tables. Studies of earlier versions lack it: their name is used."""
    pipeline: str
    seeds: int
    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    """Entrants that could not be run, with the reason. They have no row."""
    curves: tuple[Anytime, ...] = ()
    command: str = ""
    """The command that makes it again; studies of earlier versions lack it."""

    @property
    def heading(self) -> str:
        return self.title or self.study


class FrontCurve(_Line):
    """The share of the true front's hypervolume after each evaluation from the first: mean over seeds, 95 %
    interval."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class ParetoResult(StudyResult):
    """The study of fronts. Its targets are a task and a column of latencies.

    ``infeasible``: evaluated architectures over their cap, in all runs under caps; None without such runs.
    ``under_caps``: evaluations of these runs.
    """

    hypervolumes: tuple[FrontCurve, ...]
    infeasible: int | None
    under_caps: int


Verdict = Literal["helps", "hurts", "neither"]


class Pair(BaseModel):
    """LAPT from one task to another against the same search alone.

    ``difference``: mean over seeds of log2 of LAPT's rank over that of the search alone, negative is better, with its
    95 % interval. ``p_value``: after Holm over all pairs. ``tuned``: whether settings were chosen by this pair.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    target: str
    method: str
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    tuned: bool
    verdict: Verdict


class Counts(BaseModel):
    """Numbers of pairs by verdict, and their mean difference with its 95 % interval over targets and seeds."""

    model_config = ConfigDict(frozen=True)

    pairs: int
    helps: int
    hurts: int
    neither: int
    mean: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


class TransferResult(StudyResult):
    """The study of every pair of tasks. The figures beside ``pairs`` are over all of them.

    ``tuned``, ``not_tuned``: the same of those that settings were chosen by, and of the others.
    """

    pairs: tuple[Pair, ...]
    helps: int
    hurts: int
    neither: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    tuned: Counts
    not_tuned: Counts
