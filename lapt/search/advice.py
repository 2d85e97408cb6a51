"""Weights of advisers, inferred from the target's scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lapt.search.models import advised
from lapt.search.searcher import Adviser, Weighed
from lapt.spaces import Architecture
from lapt.spaces.features import Floats

_GROWTH = 1.15
"""The whole grid is tried again when there are so many times the scores; in between, the settings found then are."""
LEADING = 0.015
"""The share of the candidates that advice leads to while nothing speaks against it."""


def led(weighed: Sequence[Weighed], there: Floats, kept: float = 1.0) -> npt.NDArray[np.bool_]:
    """N booleans: whether a candidate is among those that the advice, weighed, puts first.

    Their share is ``LEADING`` ** (1 - d^2), d the doubt in the least doubted adviser: it grows from 1.5 % to all of
    them as the scores turn against the advice. ``there``: K x N expectations.

    ``kept``: the share of the space that constraints keep, the candidates. Advice leads to as many of these as it would
    lead to without constraints. A twentieth of NAS-Bench-201 has 782 cells, and 1.5 % of them are fewer than a search
    evaluates.
    """
    weights = np.maximum([one.weight for one in weighed], 0.0)
    if not weights.any():
        return np.ones(there.shape[1], dtype=bool)
    doubt = min(one.doubt for one in weighed)
    advised_of = weights @ there
    share = min(1.0, LEADING ** (1 - doubt**2) / kept)
    return np.asarray(advised_of >= np.quantile(advised_of, 1 - share))


class Advice:
    """Advisers and what the scores so far say of them."""

    def __init__(self, advisers: Sequence[Adviser]) -> None:
        self.advisers = tuple(advisers)
        self._known: dict[Architecture, Floats] = {}
        self._last: tuple[Sequence[Architecture], Floats] | None = None
        self._fits: list[advised.Fit] = []
        self._tried = 0.0

    def expected(self, architectures: Sequence[Architecture]) -> Floats:
        """K x N expectations of N architectures, each computed once."""
        if self._last is not None and self._last[0] is architectures:
            return self._last[1]
        new = [one for one in dict.fromkeys(architectures) if one not in self._known]
        if new:
            columns = np.array([adviser.expects(new) for adviser in self.advisers]).T
            self._known.update(zip(new, columns, strict=True))
        found = np.array([self._known[one] for one in architectures]).reshape(len(architectures), len(self.advisers)).T
        if len(architectures) > len(self._known) // 2:
            self._last = architectures, found
        return found

    @property
    def before(self) -> tuple[Weighed, ...]:
        """The weights before the first score."""
        from scipy.special import ndtr

        doubt = float(ndtr(-advised.BELIEF / advised.DOUBT))
        return tuple(Weighed(adviser.name, advised.BELIEF, doubt) for adviser in self.advisers)

    def learn(self, among: Sequence[Floats], y: Floats, expected: Floats) -> tuple[Weighed, ...]:
        """The weights after n scores. ``among``: blocks of n x n squared distances; ``expected``: K x n."""
        if len(y) >= _GROWTH * self._tried:
            settings, self._tried = advised.settings_of(len(self.advisers), len(among)), len(y)
        else:
            settings = list(dict.fromkeys(one.setting for one in self._fits))
        self._fits = advised.fit(among, y, expected, settings)
        means, doubts = advised.weights(self._fits, among, y, expected)
        names = (adviser.name for adviser in self.advisers)
        return tuple(Weighed(*one) for one in zip(names, means.tolist(), doubts.tolist(), strict=True))

    def predicted(
        self, among: Sequence[Floats], y: Floats, expected: Floats, across: Sequence[Floats], there: Floats
    ) -> list[tuple[float, Floats, Floats]]:
        """(share, means, deviations) of the scores at m points, for each setting that matters."""
        used = [one for one in self._fits if one.share >= advised.LEAST]
        # Noise is not between different points, so settings that differ in it alone share a kernel.
        kernels = {(one.setting.weight, one.setting.lengthscale): one.kernel for one in used}
        reaching = {which: kernel(across) for which, kernel in kernels.items()}
        return [
            (
                one.share,
                *advised.predict(one, among, y, expected, reaching[one.setting.weight, one.setting.lengthscale], there),
            )
            for one in used
        ]
