"""StoredEvaluator: any evaluator with the store in front of it. A stored result is never paid for again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import pyarrow.compute as pc

from lapt.base.digests import digest
from lapt.errors import StoreError
from lapt.evaluation import Checkpoints, Evaluation, Evaluator, OfSpace, OnEpoch, Prepared, Retrains, Wrapping, stopping
from lapt.evaluators.table import Split
from lapt.pipeline.limits import TIME, Meter
from lapt.spaces import Architecture, SearchSpace
from lapt.training.relaxation import Strengthen
from storage.runs.checkpoints import StoredCheckpoint
from storage.schemas import columns_of
from storage.store import Store
from storage.versions import versions_text

Row = dict[str, Any]


class StoredEvaluator(Wrapping):
    """Takes results from the store, evaluates the rest, and stores each new result at once.

    Architectures go to the inner evaluator one by one, or all at once when it can ``stream`` results as they are ready,
    so a killed process loses only the evaluations under way. An exception of the inner evaluator passes through;
    earlier results stay stored. The scores of its task are kept in memory; only rows appended since, by any process,
    are read.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        store: Store,
        space: SearchSpace,
        *,
        seed: int,
        fidelity: str | None = None,
        retry_failed: bool = False,
        on_stored: Callable[[Evaluation], None] = lambda evaluation: None,
        meter: Callable[[], Meter] = Meter,
        checkpoints: Callable[[str], StoredCheckpoint] | None = None,
    ) -> None:
        """``retry_failed``: evaluate again (once) the architectures that have only failed in the store.

        ``on_stored``: called with each computed evaluation, once it is stored. ``meter``: of the current run; it adds
        up the costs, and nothing more is computed once the run's time is spent. ``checkpoints``: of trainings that stop
        early; after the last epoch they are deleted.
        """
        super().__init__(evaluator)
        self.store, self.space = store, space
        self.seed, self.fidelity, self.retry_failed = seed, fidelity, retry_failed
        self.on_stored, self.meter = on_stored, meter
        self._retrains = cast(Retrains, evaluator) if hasattr(evaluator, "retrained") else None
        self._checkpoints, self._began = checkpoints, 0.0
        self._scores: dict[str, Row] = {}
        self._read: set[str] = set()
        self._retried: set[str] = set()

    @cached_property
    def fingerprint(self) -> str:
        return self.evaluator.fingerprint

    @property
    def of_space(self) -> bool:
        """Whether scores depend on the space that is searched. Then ``within`` and ``prepare`` are those of
        ``OfSpace``."""
        return hasattr(self.evaluator, "within")

    def within(self, space: SearchSpace, after: StoredEvaluator | None) -> StoredEvaluator:
        """As in ``OfSpace``."""
        before = None if after is None else cast(OfSpace, after.evaluator)
        return StoredEvaluator(
            cast(OfSpace, self.evaluator).within(space, before),
            self.store,
            self.space,
            seed=self.seed,
            fidelity=self.fidelity,
            retry_failed=self.retry_failed,
            on_stored=self.on_stored,
            meter=self.meter,
        )

    @property
    def epochs(self) -> int:
        """Epochs of a whole training, as in ``Stops``."""
        return stopping(self.evaluator).epochs

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> StoredEvaluator:
        """As in ``Stops``: the scores of a rung are stored under keys of their own.

        Unfinished trainings are kept in the store, each under the key of its whole score.
        """

        def checkpoint(identity: str) -> StoredCheckpoint:
            return StoredCheckpoint(self.store, self._key(identity))

        whole = self.epochs
        return StoredEvaluator(
            stopping(self.evaluator).at(epochs, checkpoints or checkpoint),
            self.store,
            self.space,
            seed=self.seed,
            fidelity=self.fidelity if epochs == whole else f"epoch {epochs} of {whole}",
            retry_failed=self.retry_failed,
            on_stored=self.on_stored,
            meter=self.meter,
            checkpoints=checkpoint,
        )

    @property
    def at_once(self) -> int:
        """Number of architectures that are measured side by side."""
        side_by_side: int = getattr(self.evaluator, "side_by_side", 1)
        return side_by_side

    @property
    def mean_cost(self) -> float | None:
        """Mean seconds of one score, over this evaluator's scores in the store; None before the first."""
        self._refresh()
        costs = [row["cost_seconds"] for row in self._scores.values() if row["cost_seconds"]]
        return sum(costs) / len(costs) if costs else None

    def prepare(self, on_epoch: OnEpoch | None = None) -> Prepared:
        """As in ``OfSpace``."""
        began = time.monotonic()
        prepared = cast(OfSpace, self.evaluator).prepare(on_epoch)
        if prepared.fresh:
            self.meter().trained(prepared.seconds, began)
        return prepared

    @property
    def strengths(self) -> Strengthen | None:
        """Strengths that a mixed supernet learns from the inner evaluator's training images, if it has images. Nothing
        is stored."""
        found: Strengthen | None = getattr(self.evaluator, "strengths", None)
        return found

    def key(self, architecture: Architecture, split: Split = "validation") -> str:
        """``scores.key`` of its score: digest of everything that the score depends on."""
        return self._key(self.identity(architecture), split)

    def missing(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """Architectures without a validation score in the store now, each once, in the order asked."""
        self._refresh()
        first = {self.key(architecture): architecture for architecture in reversed(architectures)}
        return [a for key, a in reversed(first.items()) if self._known(key) is None]

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        """Validation scores in the order asked. ``origin`` is "computed" if this call paid for the score.

        If the run's time is spent meanwhile: only the scores before the first missing one.
        """
        identities = [self.identity(architecture) for architecture in architectures]
        self._began = time.monotonic()
        self._refresh()
        wanted = {
            identity: architecture
            for identity, architecture in zip(identities, architectures, strict=True)
            if self._known(self._key(identity)) is None
        }
        waiting, computed = list(wanted.items()), dict[str, Evaluation]()
        # What has begun when the time is spent is finished and stored, and the next is not begun.
        few = self.at_once if self.meter().timed else len(waiting)
        while waiting and self._has_time():
            computed.update({evaluation.identity: evaluation for evaluation in self._computed(dict(waiting[:few]))})
            del waiting[:few]
        found = []
        for identity, architecture in zip(identities, architectures, strict=True):
            if self._known(self._key(identity)) is None:
                break
            # The second of two equal architectures costs nothing: it is answered from the store.
            answer = computed.pop(identity, None) or self._stored(identity, architecture)
            found.append(replace(answer, architecture=architecture))
        return found

    def test(self, architecture: Architecture) -> float | None:
        """The test score, stored under its own key; None if the inner evaluator has no test split."""
        found = self.final(architecture)
        return None if found is None else found.value

    @property
    def retrains(self) -> bool:
        """Whether ``final`` trains: there are networks to train, a final recipe and test images."""
        return self._retrains is not None and self._retrains.has_test

    @property
    def tested_on(self) -> int | None:
        """The number of test images of ``final``; None without them."""
        return None if self._retrains is None else self._retrains.tested_on

    def final(self, architecture: Architecture, on_epoch: OnEpoch | None = None) -> Evaluation | None:
        """As ``test``, with the size and seconds of the final retraining. ``on_epoch``: called after its epochs."""
        row = self._final(architecture, on_epoch)
        return None if row is None else self._as_evaluation(row, self.identity(architecture), architecture)

    def weights(self, architecture: Architecture) -> bytes:
        """The state dict of the final retraining, which runs now if the store lacks it. Raises StoreError."""
        row = self._final(architecture)
        if row is not None and row["weights"] is not None:
            return self.store.get_blob(row["weights"])
        error = "scores from a table" if row is None else row["error"]
        if row is None and self._retrains is not None:  # without a test split nothing was trained, or stored
            found, weights = self._retrains.retrained(architecture)
            if weights is not None:
                return weights
            error = found.error
        raise StoreError(
            f"a trained network of {self.identity(architecture)} on {self.task}",
            f"{error}",
            "export a run that trains its networks, or the Python file, which needs no weights",
        )

    def _final(self, architecture: Architecture, on_epoch: OnEpoch | None = None) -> Row | None:
        """The row of the final retraining (or look-up), computed if the store lacks it; None without a test split."""
        if self._retrains is not None and not self._retrains.has_test:
            return None
        key = self.key(architecture, "test")
        known = self._known_final(key)
        if known is not None:
            return known
        if self._retrains is not None:
            began = time.monotonic()
            trained = self._retrained(self._retrains, architecture, key, on_epoch)
            self.meter().trained(trained["cost_seconds"] or 0.0, began)
            return trained
        row = self._looked_up(architecture)
        if row is not None:
            self._retried.add(key)
            self.store.append("scores", [row])
        return row

    def _known_final(self, key: str) -> Row | None:
        """Look for the row by its key. Asking the evaluator would read its test images, which a search must not do."""
        known = sorted(self.store.read("scores", filter=pc.field("key") == key).to_pylist(), key=_precedence)
        again = self.retry_failed and known and known[0]["status"] == "failed" and key not in self._retried
        return known[0] if known and not again else None

    def _looked_up(self, architecture: Architecture) -> Row | None:
        started = time.perf_counter()
        value = self.evaluator.test(architecture)
        if value is None:
            return None
        identity, seconds = self.identity(architecture), time.perf_counter() - started
        key = self._key(identity, "test")
        evaluation = Evaluation(architecture, identity, value, self.metric, key=key, cost_seconds=seconds)
        return self._row(_checked(evaluation), "test")

    def _retrained(self, inner: Retrains, architecture: Architecture, key: str, on_epoch: OnEpoch | None) -> Row:
        checkpoint = StoredCheckpoint(self.store, key)
        with checkpoint.followed(on_epoch):
            found, weights = inner.retrained(architecture, checkpoint)
        blob = None if weights is None else self.store.put_blob(weights)
        row = self._row(_checked(replace(found, key=key)), "test")
        row |= {"weights": blob, "images": None if blob is None else inner.noted}
        self._retried.add(key)
        self.store.append("scores", [row])
        checkpoint.forget()
        return row

    # --- the store ---------------------------------------------------------------------------------------------------
    def _key(self, identity: str, split: Split = "validation") -> str:
        parts = (self.space.name, identity, self.task, split, self._fingerprint_of(split), self.seed, self.fidelity)
        return digest(list(parts))

    def _fingerprint_of(self, split: Split) -> str:
        """The fingerprint for a split. A final retraining also depends on its own length."""
        if split == "test" and self._retrains is not None:
            return self._retrains.final_fingerprint
        return self.fingerprint

    def _known(self, key: str) -> Row | None:
        row = self._scores.get(key)
        again = self.retry_failed and row is not None and row["status"] == "failed" and key not in self._retried
        return None if again else row

    def _computed(self, wanted: dict[str, Architecture]) -> Iterator[Evaluation]:
        """Each result once it is stored. Results that another process has stored meanwhile are not stored again."""
        for evaluation in self._measured(wanted):
            identity = evaluation.identity
            stored = replace(_checked(evaluation), origin="computed", key=self._key(identity))
            self._refresh()
            if self._known(self._key(identity)) is not None:
                continue
            self._append([self._row(stored, "validation")])
            if self._checkpoints is not None and self.fidelity is None:
                self._checkpoints(identity).forget()  # the whole training is done
            self._retried.add(self._key(identity))
            yield self._paid(stored)

    def _has_time(self) -> bool:
        return self.meter().spent(*TIME) is None

    def _paid(self, evaluation: Evaluation) -> Evaluation:
        if self._checkpoints is None:
            self.meter().paid(evaluation.cost_seconds)
        else:  # the cost of the whole training so far
            self.meter().trained(evaluation.cost_seconds, self._began)
        self.on_stored(evaluation)
        return evaluation

    def _measured(self, wanted: dict[str, Architecture]) -> Iterator[Evaluation]:
        stream = getattr(self.evaluator, "stream", None)
        if stream is not None:
            yield from stream(list(wanted.values()))
            return
        for identity, architecture in wanted.items():
            self._refresh()  # another process may have paid for it meanwhile
            if self._known(self._key(identity)) is None:
                (evaluation,) = self.evaluator.evaluate([architecture])
                yield replace(evaluation, identity=identity)

    def _append(self, rows: list[Row]) -> None:
        self._read.add(self.store.append("scores", rows))
        for row in rows:
            self._keep(row)

    def _refresh(self) -> None:
        mine = (pc.field("fingerprint") == self.fingerprint) & (pc.field("task") == self.task)
        for row in self.store.read_new("scores", self._read, filter=mine).to_pylist():
            self._keep(row)

    def _keep(self, row: Row) -> None:
        known = self._scores.get(row["key"])
        if known is None or _precedence(row) < _precedence(known):
            self._scores[row["key"]] = row

    def _stored(self, identity: str, architecture: Architecture) -> Evaluation:
        return self._as_evaluation(self._scores[self._key(identity)], identity, architecture)

    def _as_evaluation(self, row: Row, identity: str, architecture: Architecture) -> Evaluation:
        return Evaluation(
            architecture,
            identity,
            row["value"],
            self.metric,
            origin="store",
            error=row["error"],
            key=row["key"],
            cost_seconds=row["cost_seconds"] or 0.0,
            parameters=row["parameters"],
            flops=row["flops"],
            live_parameters=row["live_parameters"],
            measures=json.loads(row["measures"] or "{}"),
        )

    def _row(self, evaluation: Evaluation, split: Split) -> Row:
        return {
            **columns_of(evaluation),
            "key": evaluation.key,
            "space": self.space.name,
            "task": self.task,
            "split": split,
            "fingerprint": self._fingerprint_of(split),
            "seed": self.seed,
            "fidelity": self.fidelity,
            "device": str(getattr(self.evaluator, "device", "cpu")),
            "versions": versions_text(),
            "created_at": datetime.now(UTC),
            "live_parameters": evaluation.live_parameters,
            "measures": json.dumps(dict(evaluation.measures), sort_keys=True) if evaluation.measures else None,
            "weights": None,
            "images": None,
        }


def _checked(evaluation: Evaluation) -> Evaluation:
    """The evaluation; a failed one if its score is not finite, since no ranking can hold it."""
    if evaluation.value is None or math.isfinite(evaluation.value):
        return evaluation
    return replace(evaluation, value=None, error=evaluation.error or f"the score is {evaluation.value}")


def _precedence(row: Row) -> tuple[bool, Any]:
    """Order of rows as in the view ``scores``: a score comes before a failure, then the earliest wins."""
    return row["status"] != "ok", row["created_at"]
