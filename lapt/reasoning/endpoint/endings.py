"""Unusual ends of a reply: a limit, a refusal, a filter, a call of a tool."""

from __future__ import annotations

import re

_ORDINARY = {"", "stop", "end_turn", "stop_sequence", "complete", "completed", "eos", "eos_token", "end"}
_ENDINGS = {
    r"length|max.{0,8}tokens|context": (
        "a cut at the limit of tokens",
        "raise reasoner.max_tokens, or the server's own limit where that is unset",
    ),
    r"refus": ("a refusal", "name another model, or say on_invalid: frequency to let counting stand in"),
    r"filter|safety|prohibit|block|recitation|guardrail|spii": (
        "nothing that passes the provider's filter",
        "name another model, or say on_invalid: frequency to let counting stand in",
    ),
    r"tool|function": (
        "a call of a tool",
        "say reasoner.structured=text, or start the server without its parser of tool calls",
    ),
}


def unusual(finish: object) -> str | None:
    """The provider's reason for an unusual end of a reply; None for an ordinary end."""
    said = str(finish or "")
    return None if said.lower() in _ORDINARY else said[:80]


def ending(finish: str | None) -> tuple[str, str | None]:
    """(meaning of a reply's end, advice for a person); empty for an ordinary end."""
    if finish is None:
        return "", None
    for pattern, (said, remedy) in _ENDINGS.items():
        if re.search(pattern, finish, re.IGNORECASE):
            return f"{said} (finish reason {finish})", remedy
    return f"an early end (finish reason {finish})", None
