"""Providers of language models: the variables of their keys, their hosts and list prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lapt.base.shipped import table_beside
from lapt.reasoning.endpoint.calls import Prices


@dataclass(frozen=True)
class Provider:
    """A provider. ``key``: the variable of its key. ``hosts``: its own hosts, as shell patterns.

    ``addresses``: variables in which an operator may give another address for it. That one then counts as its own too.
    ``prices``: of well-known models. They change, and ``reasoner.prices`` overrides them.
    """

    key: str
    hosts: Sequence[str] = ()
    addresses: Sequence[str] = ()
    prices: Mapping[str, Sequence[float]] = field(default_factory=dict)


PROVIDERS = {name: Provider(**row) for name, row in table_beside(__name__).items()}
"""LangChain's name of a provider -> what is known of it."""


def provider_of(model: str) -> str:
    return model.partition(":")[0]


def prices_of(model: str) -> Prices | None:
    """Prices of a model; None if it is not listed, such as one on a server of one's own."""
    provider, _, name = model.partition(":")
    listed = PROVIDERS[provider].prices if provider in PROVIDERS else {}
    return Prices(*listed[name]) if name in listed else None
