"""Where unfinished trainings stand: one file each, replaced as a whole after every epoch."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lapt.evaluation import OnEpoch
from storage.store import Store

POLL_SECONDS = 1.0


class StoredCheckpoint:
    """A training's state under ``checkpoints/<key>`` of a store. ``key``: the digest of all that the training is."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._name = store, f"checkpoints/{key}"

    def load(self) -> bytes | None:
        """None where nothing was saved yet. Raises StoreError for what cannot be read."""
        try:
            return self._store.files.read(self._name)
        except FileNotFoundError:
            return None

    def save(self, state: bytes) -> None:
        """Raises StoreError, and leaves the state before."""
        self._store.files.write(self._name, state)

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        self._store.files.write(f"{self._name}.json", json.dumps([epoch, epochs, loss]).encode())

    def told(self) -> tuple[int, int, float] | None:
        """(epoch, epochs in all, mean training loss), by whatever process; None before the first."""
        try:
            epoch, epochs, loss = json.loads(self._store.files.read(f"{self._name}.json"))
        except FileNotFoundError:
            return None
        return epoch, epochs, loss

    def forget(self) -> None:
        """Once the training is done and what it gave is stored."""
        self._store.files.delete(self._name)
        self._store.files.delete(f"{self._name}.json")

    @contextmanager
    def followed(self, on_epoch: OnEpoch | None) -> Iterator[None]:
        """``on_epoch`` hears, from a thread, what a training in another process tells meanwhile."""
        over = threading.Event()

        def follow() -> None:
            known = self.told()
            last = False
            while not last:
                last = over.wait(POLL_SECONDS)
                now = self.told()
                if now is not None and now != known and on_epoch is not None:
                    on_epoch(*now)
                known = now

        # Where a run reports to is a matter of context variables, which a thread does not inherit.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(follow,), daemon=True)
        if on_epoch is not None:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if on_epoch is not None:
                thread.join()
