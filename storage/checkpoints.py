"""Where unfinished trainings stand: one file each, replaced as a whole after every epoch."""

from __future__ import annotations

from storage.store import Store


class StoredCheckpoint:
    """A training's state under ``checkpoints/<key>`` of a store. ``key``: the digest of all that the training is."""

    def __init__(self, store: Store, key: str) -> None:
        self._files, self._name = store.files, f"checkpoints/{key}"

    def load(self) -> bytes | None:
        """None where nothing was saved yet. Raises StoreError for what cannot be read."""
        try:
            return self._files.read(self._name)
        except FileNotFoundError:
            return None

    def save(self, state: bytes) -> None:
        """Raises StoreError, and leaves the state before."""
        self._files.write(self._name, state)

    def forget(self) -> None:
        """Once the training is done and what it gave is stored."""
        self._files.delete(self._name)
