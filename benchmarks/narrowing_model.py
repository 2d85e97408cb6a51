"""The whole loop under a reasoner that replays a recorded model and narrows at each update, as the model did.

The first refined space of each target is the model's own. An update keeps, of each layer, what the best architectures
on the target choose, the most frequent first, until at most 32 cells are left; an exploration changes nothing. REA has
the pipeline's budget, alone and under both refinements.

    python benchmarks/narrowing_model.py replies.jsonl --draw 1 --where "archive=top 50 of jigsaw"
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import alone
from lapt.archive import Archive
from lapt.evaluation import Evaluation
from lapt.pipeline.config import Execution, load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.principles import Claim, Origin, Principle, Principles
from lapt.reasoning.evidence import claimed, counted, successor
from lapt.reasoning.language.imported import Recorded, replies_in
from lapt.reasoning.language.replies import LEARN, read_principles, read_space
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import SearchSpace

NARROWEST = 32
"""Cells that the model left in its last spaces."""


class Narrowing:
    """Replays one draw, then keeps less and less."""

    name = "narrowing"

    def __init__(self, replies: Sequence[Recorded], spaces: dict[str, str]) -> None:
        self.learned = next(one.reply for one in replies if one.step == "learn")
        self.spaces = spaces

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        read = [entry.architecture for entry in archive.entries]
        counts, words = tuple(counted(space, read, archive.task)), Vocabulary.plain(space)
        stated = read_principles(_text(self.learned), space, words, LEARN, counts, draw=0)
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        return successor(space, stated, counts, origin, None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        if principles.origin.step == "learn":
            return read_space(self.spaces[task], space, Vocabulary.plain(space), max_operators=None, max_sources=None)
        return space.restrict(principles.candidates("operator", "keep"), {})

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        read = [evaluation.architecture for evaluation in top_architectures]
        counts = tuple(counted(space, read, task))
        kept: dict[str, list[str]] = {}
        for at, layer in enumerate(space.layers):
            chosen = Counter(architecture.operators[at] for architecture in read)
            kept[layer.name] = [name for name, _ in chosen.most_common()]
        while np.prod([len(names) for names in kept.values()]) > NARROWEST:
            max(kept.values(), key=len).pop()
        of = {(count.layer, count.candidate): count for count in counts if count.kind == "operator"}
        stated = tuple(_kept(layer, [claimed([of[layer, n]], "keep") for n in names]) for layer, names in kept.items())
        origin = Origin(reasoner=self.name, step="update", task=task, archive="")
        return successor(space, stated, counts, origin, principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        return principles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replies", type=Path)
    parser.add_argument("--draw", type=int, default=1)
    parser.add_argument("--where", action="append", default=[], help="as for lapt principles import")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=10_000)
    said = parser.parse_args()
    where = [*said.where, f"draw={said.draw}"]
    replies = replies_in(said.replies, where)
    declared = load_pipeline("trans101", ["guidance.initial=false", "guidance.prior=false"])
    targets = {task: _translated(said.replies, where, task) for task in declared.targets}
    ranks: dict[str, dict[str, list[int]]] = {}
    for refinement in ("product", "order"):
        pipeline = declared.model_copy(update={"refinement": refinement})
        bench = Bench(pipeline, Execution(store="unused"))
        for task in pipeline.targets:
            scores = np.asarray(bench.benchmark.scores(task))
            for seed in range(said.first_seed, said.first_seed + said.seeds):
                steps = Steps(bench.seeded(seed), bench.space, Narrowing(replies, targets))
                learned = steps.learn(bench.archive(seed))
                found = {refinement: TargetSearch(steps, bench.evaluator(task)).run(learned)[1]}
                if refinement == "order":
                    found["REA alone"] = list(alone("rea", bench, task, seed).evaluations)
                for name, evaluations in found.items():
                    best = max(evaluation.score for evaluation in evaluations if not evaluation.failed)
                    rank = 1 + int((scores > best).sum())
                    ranks.setdefault(name, {}).setdefault(task, []).append(rank)
    print(f"mean rank, draw {said.draw}, {said.seeds} seeds from {said.first_seed}")
    print(f"{'':10}", *(f"{task:>16}" for task in declared.targets), f"{'mean':>8}")
    for name, of in ranks.items():
        means = [float(np.mean(of[task])) for task in declared.targets]
        print(f"{name:10}", *(f"{mean:16.1f}" for mean in means), f"{np.mean(means):8.1f}")


def _kept(layer: str, claims: list[Claim]) -> Principle:
    return Principle(statement=f"Keep what the best choose on {layer}.", claims=tuple(claims))


def _translated(path: Path, where: Sequence[str], task: str) -> str:
    return _text(replies_in(path, [*where, "step=translate", f"target={task}"])[0].reply)


def _text(reply: object) -> str:
    return reply if isinstance(reply, str) else json.dumps(reply)


if __name__ == "__main__":
    main()
