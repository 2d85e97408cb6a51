"""Which stores a run on a worker may use: whoever starts it names one, and it is written with the worker's rights."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from lapt.base.allowed import allowed, on_worker
from lapt.errors import StoreError
from storage.addresses import address_of

OWN, LISTED = "LAPT_STORE", "LAPT_ALLOW_STORES"
"""Environment variables of a worker: its store, and patterns of the addresses that its runs may name beside it."""


def check_store(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raises StoreError in a run that a worker took, unless its operator allows the store at ``address``.

    No pattern allows an address with parameters, which may name another server than the one that has the bucket, or one
    with a way up.
    """
    own = environment.get(OWN)
    if not on_worker(environment) or (own and address_of(own).text == address):
        return
    plain = "?" not in address and ".." not in address.split("/")
    if not (plain and allowed(LISTED, address, environment)):
        raise StoreError(
            f"the store of this worker ({OWN}), or one that its operator lists ({LISTED})",
            address,
            f"start the worker with --store {shlex.quote(address)}, or list it there",
        )
