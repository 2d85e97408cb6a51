"""Bayesian optimisation with a deep kernel learned on the source. It needs torch."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import Field

from lapt.evaluation import top
from lapt.search.methods.bayesian import expected_improvement
from lapt.search.methods.in_torch import InTorch
from lapt.search.methods.predictors import Every
from lapt.search.methods.transfer import FAMILY, FromSource
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.features import Floats

_PART = 25
"""Source evaluations of one step: about as many as a target has when the kernel matters."""
_AT_MOST = 100
"""Largest number of target evaluations of one step."""
_RATE, _FINE_RATE = 0.01, 0.003
"""Adam's learning rate on the source, and on the target."""


class TransferGP(FromSource, InTorch):
    """Transfer NAS with a meta-learned Bayesian surrogate (Shala et al. 2023, TNAS-BO), after few-shot Bayesian
    optimisation (Wistuba and Grabocka 2021): a Gaussian process with a deep kernel, and expected improvement.

    The kernel is Matern 5/2 on a small network's output for a cell. It is trained by the marginal likelihood of random
    subsets of the source's evaluations, then fine-tuned for ``tuning`` steps on the target's, each time starting from
    there. The first ``initial`` asks are the source's best that lie in the space (Wistuba and Grabocka start from the
    best over their sources). Simplified: one source where both papers learn over many, so subsets stand for tasks; no
    embedding of data sets; path features in place of a graph network. Without a source, or with one of a single score,
    the first asks are uniform and the kernel learns from the target alone.
    """

    description = FAMILY

    class Parameters(InTorch.Parameters):
        initial: int = Field(5, ge=2, description="evaluations before the first fit")
        retrain_every: Every = 5
        steps: int = Field(200, ge=1, description="steps of the training on the source")
        tuning: int = Field(100, ge=0, description="steps of a training on the target")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._first = [e.architecture for e in top(self.known, len(self.known)) if space.contains(e.architecture)]
        self._pretrained: Any = None

    def ready(self, scores: Floats) -> bool:
        return len(scores) >= self.parameters.initial and len(set(scores)) >= 2

    def propose(self) -> Architecture:
        """The source's best that is not known yet, while evaluations are too few to learn from."""
        if len(self._known) < self.parameters.initial:
            for architecture in self._first:
                if self._identity(architecture) not in self._known:
                    return architecture
        return super().propose()

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        mean, deviation = self.current(x, y).predict(x, y, at)
        return expected_improvement(mean, deviation, float(y.max()))

    def train(self, x: Floats, y: Floats) -> Any:
        """The source's kernel, fine-tuned on the target's n evaluations."""
        if self._pretrained is None:
            self._pretrained = self._of_source(x.shape[1])
        kernel = copy.deepcopy(self._pretrained)
        kernel.learn(x, y, steps=self.parameters.tuning, rate=_FINE_RATE, part=_AT_MOST, rng=self.rng)
        return kernel

    def _of_source(self, columns: int) -> Any:
        from lapt.search.models.neural import DeepKernel, seeded

        kernel = seeded(lambda: DeepKernel(columns), self.drawn_seed())
        if self.known:
            kernel.learn(*self.of_source(), steps=self.parameters.steps, rate=_RATE, part=_PART, rng=self.rng)
        return kernel
