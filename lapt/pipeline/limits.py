"""Limits of a run's cost. A limit ends a run with its best so far; it never steers it."""

from __future__ import annotations

import time

from pydantic import Field

from lapt.base.declarations import Frozen
from lapt.errors import BudgetSpent


class RunLimits(Frozen):
    """Limits of a run. A run that meets one ends with its best so far; without it, the same run goes on from there."""

    evaluations: int | None = Field(
        None, ge=1, description="asked for by the searches of all targets and controls, stored ones too"
    )
    seconds: float | None = Field(None, gt=0, description="of wall time; a training that has begun is finished")
    device_seconds: float | None = Field(None, gt=0, description="of trainings that this attempt pays for")


UNLIMITED = RunLimits()
TIME = ("seconds", "device_seconds")
"""Limits that also hold back trainings after the searches."""


class Meter:
    """The costs of a run so far, and their limits. It starts when it is made.

    ``denied``: the limit that first left something out.
    """

    def __init__(self, limits: RunLimits = UNLIMITED) -> None:
        self.limits = limits
        self.evaluations, self.device_seconds = 0, 0.0
        self.denied: BudgetSpent | None = None
        self._began = time.monotonic()

    @property
    def timed(self) -> bool:
        return any(getattr(self.limits, name) is not None for name in TIME)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def asked(self, evaluations: int) -> None:
        self.evaluations += evaluations

    def paid(self, seconds: float) -> None:
        """Add the seconds of one device that a score took now."""
        self.device_seconds += seconds

    def trained(self, seconds: float, began: float) -> None:
        """Add a training that took so many seconds, without the part before ``began`` (monotonic clock), paid for
        earlier."""
        self.paid(min(seconds, time.monotonic() - began))

    def room(self, wanted: int) -> int:
        """Number of evaluations, of those wanted, that may be asked for; none once any limit is reached."""
        spent, limit = self.spent(), self.limits.evaluations
        room = wanted if limit is None else min(wanted, limit - self.evaluations)
        if spent is None and room < wanted:
            spent = self._reached("evaluations", f" and {wanted:,} more to ask for")
        self.denied = self.denied or spent
        return 0 if self.spent() else room

    def may_train(self) -> bool:
        """Whether there is time for a training that is no evaluation."""
        spent = self.spent(*TIME)
        self.denied = self.denied or spent
        return spent is None

    def check(self) -> None:
        """Raises BudgetSpent if a limit is reached."""
        spent = self.spent()
        if spent is not None:
            self.denied = self.denied or spent
            raise spent

    def spent(self, *limits: str) -> BudgetSpent | None:
        """The limit that is reached, of those named or of all."""
        for name in limits or tuple(RunLimits.model_fields):
            limit = getattr(self.limits, name)
            if limit is not None and getattr(self, name) >= limit:
                return self._reached(name)
        return None

    def _reached(self, name: str, more: str = "") -> BudgetSpent:
        return BudgetSpent(
            f"at most {getattr(self.limits, name):,g} {name.replace('_', ' ')} of this run",
            f"{getattr(self, name):,.5g}{more}",
            "with a higher limit, or none, the same run goes on from here",
        )
