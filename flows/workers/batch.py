"""A batch in the form in which it travels to a worker: some architectures of one task."""

from __future__ import annotations

import json

from pydantic import ValidationError

from lapt import __version__
from lapt.base.declarations import Frozen, added
from lapt.base.faults import fault
from lapt.errors import LaptError
from lapt.pipeline.config import Pipeline
from lapt.spaces import SearchSpace
from storage.store import Store


class Batch(Frozen):
    """The work of one flow run. It travels as a blob of the store; the flow run gets its digest alone.

    ``spaces``: if scores depend on the space that is searched, the refined spaces of the target so far: each supernet
    starts from the one before. ``fingerprint``: the driver's; the worker's must equal it. No ``architectures``: only a
    supernet is trained. ``epochs``: after which trainings stop; None for whole ones. ``final``: they are trained from
    scratch, for their test scores. ``version``: the driver's; the worker's must equal it, since a protocol number alone
    would let two versions train differently.
    """

    version: str = __version__
    pipeline: Pipeline
    task: str
    spaces: tuple[SearchSpace, ...] = ()
    architectures: tuple[str, ...] = ()
    fingerprint: str | None = None
    final: bool = False
    retry_failed: bool = False
    epochs: int | None = added(None)

    def kept(self, store: Store) -> str:
        """Write it to the store, and return its digest."""
        return store.put_blob(self.model_dump_json().encode())

    @classmethod
    def read(cls, store: Store, digest: str) -> Batch:
        """Read a batch. Raises StoreError if the store has none, LaptError for one of another version."""
        content = store.get_blob(digest)
        said = json.loads(content).get("version", "before 0.2")
        if said != __version__:
            raise LaptError(
                "one version of LAPT on both sides",
                f"driver {said}, worker {__version__}",
                "install the same version on both",
            )
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise fault(error, "the batch", cls) from None
