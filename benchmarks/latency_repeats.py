"""Repeatability of measured latencies: each network twice, in random order, in ms and as a ratio to the reference.

    python benchmarks/latency_repeats.py [--networks 12] [--runtime torch] [--batch 1] [--threads 1] [--busy]

Each measurement holds the machine-wide lock. ``--busy`` trains in another process meanwhile: it pauses. The additive
predictor is fitted to the first measurements, and its error on held-out networks is printed beside theirs.
"""

from __future__ import annotations

import argparse
import multiprocessing

import numpy as np

from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.latency import Job, processor_of
from lapt.evaluators.training import Job as Training
from lapt.evaluators.training import TrainingEvaluator
from lapt.latency.additive import NEEDED, Additive
from lapt.latency.timing import Protocol
from lapt.spaces import BUILTIN, Architecture
from lapt.training import Recipe


def train_forever(spec: TrainingSpec, architecture: Architecture) -> None:
    """Train one network again and again, until the process is ended."""
    digest = TrainingEvaluator(spec)._job(architecture).data
    while True:
        Training(spec, architecture, digest).run()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--networks", type=int, default=12)
    asked.add_argument("--space", default="nas201")
    asked.add_argument("--channels", type=int, default=16)
    asked.add_argument("--cells", type=int, default=5)
    asked.add_argument("--runtime", default="torch")
    asked.add_argument("--batch", type=int, default=1)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--repeats", type=int, default=Protocol().repeats)
    asked.add_argument("--busy", action="store_true", help="train in another process meanwhile")
    given = asked.parse_args()
    space = BUILTIN[given.space]
    recipe = Recipe(epochs=1, batch_size=64)
    spec = TrainingSpec(
        space=space, task="classification", data="digits", channels=given.channels, cells=given.cells, recipe=recipe
    )
    protocol = Protocol(runtime=given.runtime, batch=given.batch, threads=given.threads, repeats=given.repeats)
    rng = np.random.default_rng(0)
    drawn = [space.canonical(space.sample(rng)) for _ in range(given.networks)]
    other = multiprocessing.get_context("spawn").Process(target=train_forever, args=(spec, drawn[0]), daemon=True)
    if given.busy:
        other.start()
    found: dict[int, list[dict[str, float]]] = {at: [] for at in range(len(drawn))}
    seconds = []
    for at in rng.permutation(2 * len(drawn)):
        outcome = Job(spec, drawn[at % len(drawn)], protocol).run()
        assert outcome.error is None, outcome.error
        found[int(at) % len(drawn)].append(dict(outcome.measures))
        seconds.append(outcome.seconds)
    if given.busy:
        other.kill()
    print(f"{processor_of('cpu')}: {protocol.words}; {len(drawn)} networks of {space.name}, each measured twice")
    for name in ("median", "ratio"):
        pairs = np.array([[one[name] for one in twice] for twice in found.values()])
        apart = np.abs(pairs[:, 0] - pairs[:, 1]) / pairs.mean(axis=1)
        print(
            f"{name:>6}: {pairs.min():.3f} to {pairs.max():.3f}; two measurements differ by {np.median(apart):.2%} "
            f"(median), {np.quantile(apart, 0.9):.2%} (90 %), {apart.max():.2%} (at most)"
        )
    print(f"seconds a measurement: {np.median(seconds):.2f} (median), {max(seconds):.2f} (at most)")
    if len(drawn) >= NEEDED:
        latencies = np.array([np.mean([one["ratio"] for one in twice]) for twice in found.values()])
        fitted = Additive.fit(space, drawn, latencies)
        print(f"additive predictor: off by {fitted.error:.1%} (median) and {fitted.spread:.1%} (90 %) when held out")


if __name__ == "__main__":
    main()
