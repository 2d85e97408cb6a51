"""Relaxations: a weighted sum of operators in place of a choice, with weights that are learned. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from lapt.base.declarations import Frozen
from lapt.spaces import SearchSpace
from lapt.spaces.layer import Choice

Strengths = Mapping[tuple[str, Choice], float]
"""(layer, (operator, source)) -> strength of the choice, above 0.

Every layer of a node (DARTS) has the choices of all of the node's layers: a connection has one strength, whichever
layer makes it.
"""


class Relaxation(Frozen):
    """One method of gradient-based search. The defaults are DARTS, first order (Liu et al. 2019).

    a_o, the strength of operator o of a connection, depends on one parameter alpha_o each, zero at the start:
    exp(alpha_o) over the sum of all (``softmax``), 1 / (1 + exp(-alpha_o)) (``sigmoid``), or a sample of the concrete
    distribution, the softmax of (alpha + Gumbel noise) / temperature (``concrete``).
    """

    weights: Literal["softmax", "sigmoid", "concrete"] = "softmax"
    epochs: int = Field(50, ge=1)
    learning_rate: float = Field(3e-4, gt=0, allow_inf_nan=False, description="of the alpha and beta, by Adam")
    halves: bool = Field(
        True, description="alpha learns from one half of the images, weights from the other; else both"
    )
    rest_epochs: int = Field(0, ge=0, description="first epochs, in which weights alone learn")
    partial: int = Field(1, ge=1, description="operators see one in so many channels")
    edges: bool = Field(False, description="are a node's connections weighted too, by a softmax of parameters beta?")
    zero_one: float = Field(0.0, ge=0, allow_inf_nan=False, description="weight of FairDARTS's zero-one loss")
    temperature: tuple[float, float] = Field((1.0, 0.03), description="concrete: first and last, in a straight line")


Strengthen = Callable[[SearchSpace, Relaxation, int], Strengths]
"""(space, relaxation, seed) -> strengths, by training a mixed supernet on a task's images. It can be pickled."""
