"""Ids that people may type in short, by their first letters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapt.errors import StoreError


def the_one(known: Collection[str], start: str, what: str, remedy: str) -> str:
    """The one id that begins with ``start``. Raises StoreError, with ``what`` and ``remedy``, unless there is exactly
    one."""
    if start in known:
        return start
    matching = sorted(one for one in known if one.startswith(start))
    if len(matching) != 1:
        raise StoreError(
            f"the id of one {what}",
            f"{start!r}, which begins {len(matching) or 'none'} of them: {(matching or sorted(known))[:10]}",
            remedy,
        )
    return matching[0]


def control_of(run_id: str, method: str) -> str:
    """The run id in the rows of a control."""
    return f"{run_id}-{method}"


def of_run(run_ids: pa.ChunkedArray[Any], run_id: str) -> npt.NDArray[np.bool_]:
    """For each run id, whether it is the run's or one of its controls'."""
    text = run_ids.fill_null(pa.scalar(""))
    its_own = pc.equal(text, pa.scalar(run_id)).to_numpy()
    found: npt.NDArray[np.bool_] = its_own | pc.starts_with(text, control_of(run_id, "")).to_numpy()
    return found
