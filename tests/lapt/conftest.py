"""An archive of the real table."""

from __future__ import annotations

import pytest

from lapt.archive import Archive, best_of_all
from lapt.evaluators import Table, TableEvaluator
from lapt.spaces import BUILTIN


@pytest.fixture(scope="session")
def nasbench201_archive(nasbench201: Table) -> Archive:
    """The 50 best of ImageNet16-120, as in the paper."""
    space = BUILTIN["nas201"]
    return best_of_all(space, TableEvaluator(nasbench201, space, "imagenet16_120"), 50)
