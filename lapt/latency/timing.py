"""Timing of a network, interleaved with a reference network, so that what slows both leaves their ratio as it is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from lapt.base.declarations import Frozen

Runtime = Literal["torch", "onnxruntime"]


class Protocol(Frozen):
    """Settings of a latency: what is measured, and how often.

    Two latencies compare if all of these are the same, and the device.
    """

    runtime: Runtime = Field("torch", description="torch, or onnxruntime of the exported ONNX model")
    batch: int = Field(1, ge=1, description="images at a time")
    threads: int = Field(1, ge=1, description="of the runtime, on a CPU")
    warm_up: int = Field(10, ge=1, description="runs of each network before the first that is timed")
    repeats: int = Field(150, ge=5, description="runs of each network that are timed")

    @property
    def words(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.runtime}, batch {self.batch}, {threads}"


@dataclass(frozen=True)
class Timing:
    """A latency of one batch in ms: the median of the runs that were timed, with their quartiles.

    ``ratio``: median over the runs of their ratio to the mean of the reference's runs before and after;
    ``reference_ms``: the reference's median.
    """

    median: float
    q25: float
    q75: float
    ratio: float
    reference_ms: float

    @property
    def measures(self) -> dict[str, float]:
        return {name: float(value) for name, value in asdict(self).items()}


def interleaved(
    network: Callable[[], object],
    reference: Callable[[], object],
    protocol: Protocol,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time ``network`` between runs of ``reference``; each call runs one batch and ends when it is done.

    Both are warmed up, then single runs alternate, the reference first and last. Garbage is not collected meanwhile.
    ``clock``: in seconds; ``time.thread_time`` where a run is the work of this thread alone, since it leaves out the
    time that other processes took away.
    """
    # Alternating after each run repeats best: on a machine with other work, two measurements in a row differed by 1.4 %
    # in the median; in slices of 1 and 4 ms by 3.4 and 4.7 %. Quotients of two medians, lower quartiles or fastest runs
    # were worse.
    with _without_garbage():
        for run in (network, reference):
            for _ in range(protocol.warm_up):
                run()
        beside, times = [_timed(reference, clock)], list[float]()
        for _ in range(protocol.repeats):
            times.append(_timed(network, clock))
            beside.append(_timed(reference, clock))
    own, around = 1e3 * np.array(times), 1e3 * np.array(beside)
    q25, median, q75 = np.quantile(own, (0.25, 0.5, 0.75))
    ratio = np.median(own / ((around[:-1] + around[1:]) / 2))
    return Timing(float(median), float(q25), float(q75), float(ratio), float(np.median(around)))


def _timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    run()
    return clock() - began


@contextmanager
def _without_garbage() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
