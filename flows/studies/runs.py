"""The jobs of a study: run in a process pool, or taken from the store where they are finished."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial

from flows.studies.entrants.methods import Entrant
from flows.studies.jobs import Job, Ledger, Outcome, outcome_of
from lapt.errors import ConfigError
from lapt.evaluators.workers import Crashed, Workers
from lapt.pipeline.config import Execution
from lapt.reasoning.config import asks_a_model
from lapt.reasoning.endpoint.calls import AwaitingReply

Progress = Callable[[int, int], None]
"""(jobs done, all jobs); called as jobs end."""


def chosen(entrants: Sequence[Entrant], methods: Sequence[str] | None) -> list[Entrant]:
    """The entrants of these methods, in the order of the methods; the study's default ones if there are none.

    Raises ConfigError for a method that no entrant has.
    """
    known = list(dict.fromkeys(entrant.method for entrant in entrants))
    unknown = [method for method in methods or () if method not in known]
    if unknown:
        close = [near for one in unknown for near in get_close_matches(one, known, n=2)]
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        remedy = f"{meant}--list-methods names all {len(known)}"
        raise ConfigError("methods that this study knows", ", ".join(unknown), remedy)
    wanted = list(methods or dict.fromkeys(entrant.method for entrant in entrants if entrant.default))
    return sorted((e for e in entrants if e.method in wanted), key=lambda e: wanted.index(e.method))


class Runs:
    """Entrants over seeds in worker processes. The order of jobs changes no figure."""

    def __init__(
        self,
        study: str,
        entrants: Sequence[Entrant],
        *,
        seeds: int,
        first: int = 0,
        execution: Execution,
        ledger: Ledger | None = None,
        fresh: bool = False,
    ) -> None:
        """``first``: the first seed. ``ledger``: where finished jobs are kept; unless ``fresh``, they are taken from
        there."""
        self.study, self.entrants, self.execution = study, tuple(entrants), execution
        self.seeds = range(first, first + seeds)
        self.processes = execution.processes or multiprocessing.cpu_count()
        self.ledger, self.fresh = ledger, fresh

    def notes(self) -> Iterator[str]:
        """A note on the seeds, where they are not the first ones."""
        if self.seeds.start:
            yield f"seeds {self.seeds.start:,} to {self.seeds[-1]:,}"

    @property
    def jobs(self) -> list[Job]:
        """All jobs, the longest budget first, so that the last to finish are short."""
        jobs: list[Job] = []
        for entrant in self.entrants:
            seeds = self.seeds[:1] if entrant.fixed else self.seeds
            if entrant.draws is None:
                jobs += [Job(entrant, None, (seed,)) for seed in seeds]
            else:
                jobs += [Job(entrant, draw, tuple(seeds)) for draw in range(entrant.draws)]
        return sorted(jobs, key=lambda job: job.entrant.budget, reverse=True)

    def run(self, progress: Progress = lambda done, total: None) -> list[tuple[Job, Outcome]]:
        """Run every job that is not in the store. Returns each job with its outcome; some may have failed.

        Raises AwaitingReply when prompts wait for a reply, once all prompts are written.
        """
        jobs, waiting, found = self.jobs, list[Job](), list[tuple[Job, Outcome]]()
        known = {} if self.ledger is None or self.fresh else self.ledger.known([j for j in jobs if self._settled(j)])
        for job in jobs:
            curves = known.get(self.ledger.key(job)) if self.ledger is not None and known else None
            if curves is None:
                waiting.append(job)
            else:
                found.append((job, Outcome(curves)))
        progress(len(found), len(jobs))
        for job, outcome in self._outcomes(waiting):
            found.append((job, outcome))
            if self.ledger is not None and not outcome.failure and not outcome.awaited:
                self.ledger.keep(self.study, job, outcome.curves)
            progress(len(found), len(jobs))
        _answered([outcome for _, outcome in found])
        return found

    def _settled(self, job: Job) -> bool:
        """Whether a second run of the job would find the same: not if a language model is to be asked again."""
        return not asks_a_model(job.entrant.pipeline.reasoner) or self.execution.replies in ("auto", "replay")

    def _outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """The outcome of every job as it ends; in this process if there is only one job or process."""
        if not jobs:
            return
        if self.processes == 1:
            yield from ((job, outcome_of(job, self.execution)) for job in jobs)
            return
        workers = Workers(partial(outcome_of, execution=self.execution), min(self.processes, len(jobs)))
        for position, outcome in workers(jobs):
            yield jobs[position], Outcome(failure=str(outcome)) if isinstance(outcome, Crashed) else outcome
        workers.close()


def _answered(outcomes: Sequence[Outcome]) -> None:
    awaited = {waiting.expected for outcome in outcomes for waiting in outcome.awaited}
    if awaited:
        raise AwaitingReply(
            "replies to the prompts that wait",
            f"none yet to {len(awaited)} of them",
            "lapt reasoner waiting lists them, lapt reasoner reply saves one; then type the same command again",
        )
