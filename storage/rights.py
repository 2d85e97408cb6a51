"""Stores that a run on a worker may use. Whoever starts the run names a store; the worker's rights write to it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from lapt.base.allowed import allowed, on_worker
from lapt.errors import StoreError
from storage.addresses import address_of

OWN, LISTED = "LAPT_STORE", "LAPT_ALLOW_STORES"
"""Environment variables of a worker: its own store, and patterns of other addresses that its runs may name."""


def check_store(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raises StoreError in a run on a worker, unless the worker's operator allows the store at ``address``.

    No pattern allows an address with parameters (they may name another server than the bucket's) or one with "..".
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
