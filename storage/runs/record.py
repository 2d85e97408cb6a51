"""The record of a run in the store: attempts, archive, principles, refined spaces, trials.

Only the driver writes it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.errors import StoreError, interruption
from lapt.evaluation import Evaluation, Prepared
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import RunResult
from lapt.principles import Principles
from lapt.spaces import BUILTIN, Architecture, SearchSpace, space_named
from storage.ids import control_of, the_one
from storage.runs.declared import declared
from storage.runs.lock import only_attempt
from storage.schemas import columns_of
from storage.store import Store
from storage.versions import versions_text


@dataclass(frozen=True)
class StartedBy:
    """The Prefect flow run that started an attempt, and the names that its costs are counted by. None: not known."""

    prefect_run_id: str | None = None
    user: str | None = None
    team: str | None = None


@dataclass
class RunRecord:
    """The rows of one run. Resuming is a replay: rows of an earlier attempt are checked and not written again."""

    store: Store
    run_id: str
    attempt_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    # Each is read when it is first asked for: a flow builds a record of its own and needs one or two of them.
    @cached_property
    def _trials(self) -> dict[tuple[str, int], str]:
        rows = self._mine("trials", "task", "ordinal", "architecture")
        return {(row["task"], row["ordinal"]): row["architecture"] for row in rows}

    @cached_property
    def _principles(self) -> dict[tuple[str, str, int], str]:
        rows = self._mine("principles", "principles_id", "task", "iteration", "body")
        return {(row["principles_id"], row["task"], row["iteration"]): row["body"] for row in rows}

    @cached_property
    def _subspaces(self) -> set[tuple[str, str, int]]:
        rows = self._mine("subspaces", "subspace_id", "task", "iteration")
        return {(row["subspace_id"], row["task"], row["iteration"]) for row in rows}

    @cached_property
    def _supernets(self) -> dict[tuple[str, int, str], float]:
        rows = self._mine("supernets", "task", "iteration", "fingerprint", "cost_seconds")
        return {(row["task"], row["iteration"], row["fingerprint"]): row["cost_seconds"] for row in rows}

    def _mine(self, dataset: str, *columns: str) -> list[dict[str, Any]]:
        """The run's rows. They are filtered here: with a filter the store would read every column of every file."""
        rows = self.store.read(dataset, ["run_id", *columns])
        return rows.filter(pc.field("run_id") == self.run_id).to_pylist()

    def beside(self, method: str) -> RunRecord:
        """The record of a control of this run, under its own id."""
        return RunRecord(self.store, control_of(self.run_id, method), self.attempt_id)

    @contextmanager
    def attempt(
        self, pipeline: Pipeline, by: StartedBy = StartedBy(), waits: Callable[[str], None] | None = None
    ) -> Iterator[None]:
        """One attempt from start to end, in ``runs``. While another attempt is running: as ``only_attempt``."""
        with only_attempt(self.store.address, self.run_id, waits):
            self._event("started", pipeline, by)
            try:
                yield
            except BaseException as error:
                # Prefect may answer a Ctrl-C by cancelling, which is no Exception either.
                stopped = interruption(error) is not None or not isinstance(error, Exception)
                event = "interrupted" if stopped else "failed"
                detail = None if event == "interrupted" else f"{type(error).__name__}: {error}"[:2000]
                try:
                    self._event(event, pipeline, by, detail=detail)
                except StoreError as second:
                    error.add_note(f"and this could not be recorded: {second}")
                raise

    def finished(self, pipeline: Pipeline, by: StartedBy, result: RunResult) -> None:
        """Record the end of the run: finished, or ``stopped`` by a limit."""
        event = "finished" if result.stopped is None else "stopped"
        self._event(event, pipeline, by, detail=result.stopped, result=result.model_dump_json())

    def _event(
        self,
        event: str,
        pipeline: Pipeline,
        by: StartedBy,
        *,
        detail: str | None = None,
        result: str | None = None,
    ) -> None:
        config = json.dumps(pipeline.model_dump(mode="json"), sort_keys=True)
        row = {
            "run_id": self.run_id,
            "attempt_id": self.attempt_id,
            "event": event,
            "pipeline": pipeline.name,
            "config": config,
            **asdict(by),
            "detail": detail,
            "result": result,
            "versions": versions_text(),
        }
        self.store.append("runs", [row])

    # --- lineage ---------------------------------------------------------------------------------------------------
    def archive(self, archive: Archive, fingerprint: str | None = None) -> None:
        """Record the evaluations of the source stage, as iteration 0 of the source task. ``fingerprint``: of its
        evaluator."""
        self.trials(archive.space, archive.asked, task=archive.task, iteration=0, first=1, fingerprint=fingerprint)

    def principles(self, principles: Principles, *, task: str, iteration: int) -> None:
        """Record principles. ``iteration`` 0: learned from the source; g: after iteration g of the target."""
        key = (principles.id, task, iteration)
        if key in self._principles:
            return
        body = principles.model_dump_json()
        row = {
            "principles_id": principles.id,
            "run_id": self.run_id,
            "task": task,
            "iteration": iteration,
            "step": principles.origin.step,
            "reasoner": principles.origin.reasoner,
            "space": principles.space,
            "version": principles.version,
            "parent": principles.parent,
            "statements": [principle.statement for principle in principles.principles],
            "body": body,
        }
        self.store.append("principles", [row])
        self._principles[key] = body

    def principles_named(self, principles_id: str) -> Principles:
        """Principles of this run by id. Raises StoreError when the store has none."""
        for (known, _, _), body in self._principles.items():
            if known == principles_id:
                return Principles.model_validate_json(body)
        raise StoreError(
            f"principles {principles_id} of run {self.run_id} in {self.store.address}", "none", "run the learning stage"
        )

    def principles_of(self, task: str) -> list[tuple[int, Principles]]:
        """(iteration, principles after it) on a task, in order, of any attempt; 0: learned from the source."""
        rows = self._mine("principles", "task", "iteration", "body")
        mine = sorted((row["iteration"], row["body"]) for row in rows if row["task"] == task)
        return [(iteration, Principles.model_validate_json(body)) for iteration, body in mine]

    def report(self, text: str) -> None:
        """Write the run's summary to the place in ``RunResult.report``."""
        self.store.files.write(f"reports/{self.run_id}.md", text.encode())

    def subspace(self, refined: SearchSpace, principles: Principles, *, task: str, iteration: int) -> str:
        """Record Omega_r and the principles that made it; returns its id."""
        identifier = subspace_id(refined)
        key = (identifier, task, iteration)
        if key not in self._subspaces:
            row = {
                "subspace_id": identifier,
                "run_id": self.run_id,
                "task": task,
                "iteration": iteration,
                "space": refined.name,
                "principles_id": principles.id,
                "size": float(refined.size),
                "size_text": str(refined.size),
                "body": refined.model_dump_json(),
            }
            self.store.append("subspaces", [row])
            self._subspaces.add(key)
        return identifier

    def supernet(
        self,
        prepared: Prepared,
        *,
        task: str,
        iteration: int,
        subspace_id: str | None,
        fingerprint: str,
        device: str,
    ) -> None:
        """Record the training of a supernet that the run searched with. ``fingerprint``: of its evaluator."""
        key = (task, iteration, fingerprint)
        if key in self._supernets:
            return
        row = {
            "run_id": self.run_id,
            "task": task,
            "iteration": iteration,
            "subspace_id": subspace_id,
            "fingerprint": fingerprint,
            "epochs": prepared.epochs,
            "loss": prepared.loss,
            "parameters": prepared.parameters,
            "cost_seconds": prepared.seconds,
            "device": device,
        }
        self.store.append("supernets", [row])
        self._supernets[key] = prepared.seconds

    def seconds_of_supernets(self, task: str) -> float:
        """Wall time of the trainings of all supernets that the run searched this task with."""
        return sum(seconds for (known, _, _), seconds in self._supernets.items() if known == task)

    def trials(
        self,
        space: SearchSpace,
        evaluations: Sequence[Evaluation],
        *,
        task: str,
        iteration: int,
        first: int,
        subspace_id: str | None = None,
        principles_id: str | None = None,
        fingerprint: str | None = None,
        epochs: int | None = None,
    ) -> None:
        """Record evaluations in the order asked, numbered from ``first`` within the task.

        ``fingerprint``: the evaluator's. ``epochs``: of their trainings, where these stop early. Raises StoreError when
        an earlier attempt asked for another architecture at the same place: then this is no replay, and two runs would
        mix under one id.
        """
        rows: list[dict[str, Any]] = []
        for ordinal, evaluation in enumerate(evaluations, start=first):
            text = space.encode(evaluation.architecture)
            known = self._trials.get((task, ordinal))
            if known == text:
                continue
            if known is not None:
                raise StoreError(
                    f"run {self.run_id} to ask for {known} as number {ordinal} on {task}, as an earlier attempt did",
                    text,
                    "use a new store: this one was written by another version of the code",
                )
            rows.append(
                {
                    "run_id": self.run_id,
                    "space": space.name,
                    "task": task,
                    "iteration": iteration,
                    "ordinal": ordinal,
                    "architecture": text,
                    **columns_of(evaluation),
                    "score_key": evaluation.key,
                    "subspace_id": subspace_id,
                    "principles_id": principles_id,
                    "origin": evaluation.origin,
                    "fingerprint": fingerprint,
                    "epochs": epochs,
                }
            )
        self.store.append("trials", rows)
        # Known only once written: after a failed append the same call is to write them again.
        self._trials.update({(task, row["ordinal"]): row["architecture"] for row in rows})


def subspace_id(space: SearchSpace) -> str:
    """Content id of a refined space."""
    return short(space.model_dump(mode="json"))


def finished_run(store: Store, run: str) -> tuple[Pipeline, RunResult]:
    """The declaration and result of a finished run. ``run``: its id or the start of one. Raises StoreError."""
    store.require()
    rows = store.read("runs", ["run_id", "event", "config", "result", "created_at"]).to_pylist()
    finished = {row["run_id"]: row for row in sorted(rows, key=ended_last) if row["result"]}
    row = finished[the_one(finished, run, f"finished run in {store.address}", "write the id, or enough of its start")]
    pipeline, result = declared_and_found(row)
    assert result is not None
    return pipeline, result


def ended_last(row: Mapping[str, Any]) -> tuple[bool, Any]:
    """Sort key for rows of ``runs``: the row that counts is the last. Results that no limit cut short come last."""
    return bool(row["result"]) and row["event"] != "stopped", row["created_at"]


def declared_and_found(row: Mapping[str, Any]) -> tuple[Pipeline, RunResult | None]:
    """The declaration in a row of ``runs``, and its result if the run is finished. Raises StoreError."""
    try:
        found = RunResult.model_validate_json(row["result"]) if row["result"] else None
        return declared(row["config"]), found
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise StoreError(
            f"a run of this version of LAPT, which {row['run_id']} is not",
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}",
            "run the pipeline again: it is declared in another way now",
        ) from None


def stated_principles(store: Store, run: str | None = None) -> list[dict[str, Any]]:
    """Rows of ``principles``, the latest first. ``run``: only of that run, by its id or the start of one."""
    store.require()
    rows = store.read("principles").to_pylist()
    mine = [row for row in rows if run is None or row["run_id"].startswith(run)]
    return sorted(mine, key=lambda row: row["created_at"], reverse=True)


def principles_by_id(store: Store, wanted: str) -> Principles:
    """Principles of any run. ``wanted``: their id or the start of one. Raises StoreError."""
    bodies = {row["principles_id"]: row["body"] for row in stated_principles(store)}
    found = the_one(bodies, wanted, f"set of principles in {store.address}", "lapt principles list shows them")
    return Principles.model_validate_json(bodies[found])


def principles_of_run(store: Store, run: str, target: str | None = None) -> Principles:
    """The principles that a run learned from its source, or those it adapted last to a target. Raises StoreError."""
    rows = stated_principles(store, run)
    mine = [row for row in rows if (row["iteration"] == 0 if target is None else row["task"] == target)]
    if not mine:
        known = sorted({row["task"] for row in rows if row["iteration"]})
        raise StoreError(
            f"principles of run {run}" + (f" for the target {target}" if target else "") + f" in {store.address}",
            f"principles for {known}" if rows else "no such run",
            "see lapt principles list",
        )
    return Principles.model_validate_json(max(mine, key=lambda row: row["iteration"])["body"])


def space_of(store: Store, principles: Principles) -> SearchSpace:
    """The whole space that principles belong to. A declared one is taken from a run that stated them.

    Raises StoreError where there is no such run.
    """
    if principles.space in BUILTIN:
        return BUILTIN[principles.space]
    by = {row["run_id"] for row in stated_principles(store) if row["principles_id"] == principles.id}
    for row in store.read("runs", ["run_id", "config"]).to_pylist():
        if row["run_id"] in by:
            return space_named(json.loads(row["config"])["space"])
    raise StoreError(
        f"a run in {store.address} that declares the space {principles.space}", "none", "name another store"
    )


def architectures_read(store: Store, principles: Principles) -> list[Architecture]:
    """The architectures that principles were learned from, best first, from the evaluations of a run that stated them.

    Raises StoreError where they are not there: the digest in the principles' origin shows whether they are the same.
    """
    origin, space = principles.origin, space_of(store, principles)
    size = max((count.of for count in principles.counts if count.task == origin.task), default=0)
    stated = [row for row in stated_principles(store) if row["principles_id"] == principles.id]
    trials = store.read(
        "trials",
        ["run_id", "task", "iteration", "ordinal", "architecture", "value", "higher_is_better", "status", "created_at"],
    ).to_pylist()
    for row in stated:
        mine = {
            trial["ordinal"]: trial
            for trial in sorted(trials, key=lambda trial: trial["created_at"], reverse=True)
            if (trial["run_id"], trial["task"]) == (row["run_id"], origin.task)
            and trial["iteration"] <= row["iteration"]
            and trial["value"] is not None
        }
        sign = [1 if trial["higher_is_better"] else -1 for trial in mine.values()]
        best = sorted(zip(sign, mine.values(), strict=True), key=lambda at: (-at[0] * at[1]["value"], at[1]["ordinal"]))
        encoded = [trial["architecture"] for _, trial in best[:size]]
        if origin.archive in (short([space.name, origin.task, encoded]), short(encoded)):
            return [space.decode(text) for text in encoded]
    raise StoreError(
        f"the {size} architectures of {origin.task} that principles {principles.id} were drawn from",
        f"other evaluations in {store.address}",
        "name principles that were learned or updated here, not explored ones of another task",
    )
