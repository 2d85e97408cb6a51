"""A pipeline whose scores cost something: each computed one leaves a line in a log. Run as a process by the drills.

Arguments: the store, the log, seconds a score takes. While a file beside the log, named like it with ``.hold`` behind,
exists, the run stands still as soon as the log has as many lines as the file says.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import flows.evaluators
from flows.embedded import run_embedded
from flows.running.progress import Listener
from lapt.evaluation import Evaluation, Evaluator
from lapt.evaluators import Table, TableEvaluator
from lapt.evaluators.config import TableEvaluation
from lapt.pipeline.config import Execution, load_pipeline
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store


class Counted(TableEvaluator):
    """The invented table as if it had to be computed."""

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        found = []
        for evaluation in super().evaluate(architectures):
            time.sleep(SECONDS)
            while held():
                time.sleep(0.02)
            line = f"{self.task} {evaluation.identity}\n".encode()
            descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, line)
            os.close(descriptor)
            found.append(replace(evaluation, origin="computed"))
        return found


class Stages(Listener):
    """A listener that prints the run's stage on standard error."""

    def stage(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def held() -> bool:
    try:
        return len(Path(LOG).read_text().splitlines()) >= int(Path(f"{LOG}.hold").read_text())
    except (FileNotFoundError, ValueError):  # no such file, or one that is being written
        return False


STORE, LOG, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])


def stored(table: Table, config: TableEvaluation, space: SearchSpace, task: str) -> Evaluator:
    return StoredEvaluator(Counted(table, space, task), Store(STORE), space, seed=0)


if __name__ == "__main__":
    flows.evaluators.evaluator_of = stored
    declared = load_pipeline("invented", ["source.archive.samples=40", "source.archive.size=10", "controls=[]"])
    result = run_embedded(declared, Execution(store=STORE), Stages())
    print(result.model_dump_json())
