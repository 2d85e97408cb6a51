"""Ids that people type by their first letters."""

from __future__ import annotations

from collections.abc import Collection

from lapt.errors import StoreError


def the_one(known: Collection[str], start: str, what: str, remedy: str) -> str:
    """The id that begins so. Raises StoreError unless there is exactly one, in the words ``what`` and ``remedy``."""
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
