"""Unusual ends of a reply: a limit, a refusal, a filter, a call of a tool."""

from __future__ import annotations

import re

from lapt.base.shipped import table_beside

_ORDINARY = {"", "stop", "end_turn", "stop_sequence", "complete", "completed", "eos", "eos_token", "end"}
_ENDINGS = table_beside(__name__)


def unusual(finish: object) -> str | None:
    """The provider's reason for an unusual end of a reply; None for an ordinary end."""
    said = str(finish or "")
    return None if said.lower() in _ORDINARY else said[:80]


def ending(finish: str | None) -> tuple[str, str | None]:
    """(meaning of a reply's end, advice for a person); empty for an ordinary end."""
    if finish is None:
        return "", None
    for known in _ENDINGS:
        if re.search(known["pattern"], finish, re.IGNORECASE):
            return f"{known['meaning']} (finish reason {finish})", known["remedy"]
    return f"an early end (finish reason {finish})", None
