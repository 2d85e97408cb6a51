"""Summary of a language model's calls in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.language import replies
from lapt.reasoning.language.chat import spread
from lapt.reasoning.language.conditional import stating


@dataclass(frozen=True)
class Ledger:
    """The calls of a run, added up.

    ``calls``: replies used, ``paid_now`` of them asked for in this attempt. ``seconds``: of waiting for the model.
    ``cost``: None without prices. ``spread``: mean over the translations that were drawn several times
    (``lapt.reasoning.language.chat.spread``); None without any.
    """

    model: str
    calls: int
    paid_now: int
    invalid: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float
    spread: float | None

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Ledger | None:
        """The summary of rows of ``reasoner_calls``; None without rows."""
        if not rows:
            return None
        costs = [row["cost"] for row in rows if row["cost"] is not None]
        return cls(
            model=rows[0]["model"],
            calls=len(rows),
            paid_now=sum(row["origin"] == "model" for row in rows),
            invalid=sum(not row["valid"] for row in rows),
            tokens_in=sum(row["tokens_in"] or 0 for row in rows),
            tokens_out=sum(row["tokens_out"] or 0 for row in rows),
            cost=sum(costs) if costs else None,
            seconds=sum(row["latency_seconds"] for row in rows),
            spread=_spread(rows),
        )


def _spread(rows: Sequence[Mapping[str, Any]]) -> float | None:
    draws: dict[tuple[str, str], list[dict[str, list[str]]]] = {}
    for row in rows:
        if row["step"] == "translate" and row["valid"] and row["reply"]:  # none is kept where replies are off
            for form in (replies, stating):
                with suppress(InvalidReply):  # an earlier version read what a model wrote while it thought
                    kept = dict(form.kept_operators(row["reply"]))
                    draws.setdefault((row["task"], row["principles_id"]), []).append(kept)
    found = [spread(several) for several in draws.values() if len(several) > 1]
    return sum(found) / len(found) if found else None
