"""Checkpoints of unfinished trainings, one file each, and supernets: their weights as a blob, and a description."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from lapt.evaluation import OnEpoch
from lapt.evaluators.supernet import Finished
from storage.store import Store

POLL_SECONDS = 1.0


class StoredCheckpoint:
    """A training's state under ``checkpoints/<key>`` of a store. ``key``: digest of everything that defines it."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._name = store, f"checkpoints/{key}"

    def load(self) -> bytes | None:
        """The saved state; None before the first. Raises StoreError if it cannot be read."""
        try:
            return self._store.files.read(self._name)
        except FileNotFoundError:
            return None

    def save(self, state: bytes) -> None:
        """Save a state. Raises StoreError, and then keeps the previous state."""
        self._store.files.write(self._name, state)

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        self._store.files.write(f"{self._name}.json", json.dumps([epoch, epochs, loss]).encode())

    def told(self) -> tuple[int, int, float] | None:
        """(epoch, epochs in all, mean training loss), written by any process; None before the first epoch."""
        try:
            epoch, epochs, loss = json.loads(self._store.files.read(f"{self._name}.json"))
        except FileNotFoundError:
            return None
        return epoch, epochs, loss

    def forget(self) -> None:
        """Delete the checkpoint. Call it once the training is done and its result is stored."""
        self._store.files.delete(self._name)
        self._store.files.delete(f"{self._name}.json")

    @contextmanager
    def followed(self, on_epoch: OnEpoch | None) -> Iterator[None]:
        """Call ``on_epoch``, from a thread, for epochs of this training in another process."""
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


class StoredSupernets:
    """``lapt.evaluators.supernet.Supernets`` in a store. Pickling keeps the address alone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def checkpoint(self, key: str) -> StoredCheckpoint:
        return StoredCheckpoint(self._store, key)

    def finished(self, key: str) -> Finished | None:
        """The finished supernet of that key, if there is one. Raises StoreError if it cannot be read."""
        try:
            found = json.loads(self._store.files.read(f"supernets_by_key/{key}.json"))
        except FileNotFoundError:
            return None
        return Finished(**found)

    def weights(self, finished: Finished) -> bytes:
        """The weights of a finished supernet. Raises StoreError when the blob is gone."""
        return self._store.get_blob(finished.blob)

    def finish(self, key: str, finished: Finished, weights: bytes) -> Finished:
        """Store the weights, then the description, then delete the checkpoint. Returns the description."""
        kept = Finished(**{**asdict(finished), "blob": self._store.put_blob(weights)})
        self._store.files.write(f"supernets_by_key/{key}.json", json.dumps(asdict(kept)).encode())
        self.checkpoint(key).forget()
        return kept
