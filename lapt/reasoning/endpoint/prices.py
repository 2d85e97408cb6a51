"""List prices of well-known models; they change. ``reasoner.prices`` overrides them."""

from __future__ import annotations

from lapt.reasoning.endpoint.calls import Prices

KNOWN: dict[str, tuple[float, float]] = {
    "openai:gpt-4o": (2.5, 10.0),
    "openai:gpt-4o-mini": (0.15, 0.6),
    "openai:gpt-4.1": (2.0, 8.0),
    "openai:gpt-4.1-mini": (0.4, 1.6),
    "openai:gpt-4.1-nano": (0.1, 0.4),
    "openai:o3": (2.0, 8.0),
    "openai:gpt-4": (30.0, 60.0),
}
"""Model -> US dollars a million tokens in and out, as listed in 2025."""


def prices_of(model: str) -> Prices | None:
    """Prices of a model; None if it is not listed, such as one on a server of one's own."""
    return Prices(*KNOWN[model]) if model in KNOWN else None
