"""Stored supernets: a checkpoint during the training, then the weights as a blob and a description under the key."""

from __future__ import annotations

import json
from dataclasses import asdict

from lapt.evaluators.supernet import Finished
from storage.runs.checkpoints import StoredCheckpoint
from storage.store import Store


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
