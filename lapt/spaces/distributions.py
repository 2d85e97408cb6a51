"""Layers of a space as named choices, also as distributions of Optuna, and named choices as an architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lapt.errors import ConfigError, SpaceError
from lapt.spaces.layer import Architecture, Layer


def optuna() -> Any:
    """The package, without its log lines. Raises ConfigError if it is missing."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ConfigError("optuna", "an environment without it", "pip install 'lapt[optuna]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def candidates(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """The candidate operators of each layer by its name, and its sources (``layer:source``) if there are two."""
    found = {}
    for layer in layers:
        found[layer.name] = layer.operators
        if len(layer.sources) > 1:
            found[_source(layer)] = layer.sources
    return found


def distributions(layers: Sequence[Layer]) -> dict[str, Any]:
    """A categorical distribution of each of the ``candidates``."""
    categorical = optuna().distributions.CategoricalDistribution
    return {name: categorical(of) for name, of in candidates(layers).items()}


def params(layers: Sequence[Layer], architecture: Architecture) -> dict[str, str]:
    """The choices of an architecture by the names of ``candidates``."""
    found = {}
    for layer, operator, source in zip(layers, *architecture, strict=True):
        found[layer.name] = operator
        if len(layer.sources) > 1:
            found[_source(layer)] = source
    return found


def architecture(layers: Sequence[Layer], params: Mapping[str, Any]) -> Architecture:
    """The inverse of ``params``. A layer with one candidate needs none. Raises SpaceError for a choice it lacks."""
    operators = tuple(_chosen(params, layer.name, layer.operators) for layer in layers)
    return Architecture(operators, tuple(_chosen(params, _source(layer), layer.sources) for layer in layers))


def _source(layer: Layer) -> str:
    return f"{layer.name}:source"


def _chosen(params: Mapping[str, Any], name: str, candidates: Sequence[str]) -> str:
    only = candidates[0] if len(candidates) == 1 else None
    chosen = params.get(name, only)
    if chosen not in candidates:
        raise SpaceError(f"{name} among {list(candidates)}", repr(chosen), "ask with the distributions of to_optuna()")
    return str(chosen)
