"""Reasoners on mobile networks: what counting and patterns learn, what a prompt shows, what other spaces teach."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.archive import Archive
from lapt.conditions.language import condition_of, declared
from lapt.evaluation import Evaluation, Metric
from lapt.families.mobile.cell import EXAMPLE
from lapt.families.mobile.family import MEANINGS
from lapt.reasoning import Frequency, Patterns, Reasoner
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.parts import EVERY_PART
from lapt.spaces import BUILTIN, Architecture

SPACE = BUILTIN["mobile"]
METRIC = Metric("points")


def worth(architecture: Architecture) -> float:
    """Good are 5x5 kernels in the last stage, squeeze-excitation there, and a wide third stage."""
    chosen = SPACE.family.chosen(architecture)
    kernels = sum(chosen[f"stage4.block{at}"].startswith("mb5") for at in (1, 2, 3))
    return kernels + 2.0 * (chosen["stage4.se"] == "se") + (chosen["stage3.width"] == "wide")


def best_of(count: int, seed: int) -> Archive:
    """The best eighth of so many random networks."""
    rng = np.random.default_rng(seed)
    drawn = {SPACE.canonical(SPACE.sample(rng)) for _ in range(count)}
    scored = [Evaluation(one, SPACE.encode(one), worth(one), METRIC) for one in sorted(drawn)]
    found = sorted(scored, key=lambda evaluation: -worth(evaluation.architecture))
    return Archive(SPACE, "source", tuple(found[: count // 8]), asked=tuple(scored), chosen_from=len(scored))


@pytest.mark.parametrize("reasoner", [Patterns(), Frequency(max_operators=2)], ids=lambda reasoner: reasoner.name)
def test_the_refined_space_is_better_than_the_whole(reasoner: Reasoner) -> None:
    principles = reasoner.learn(SPACE, best_of(320, 0))
    refined = reasoner.translate(SPACE, principles, task="target")
    assert refined.size < 0.02 * SPACE.size
    rng = np.random.default_rng(1)
    inside, everywhere = ([worth(space.sample(rng)) for _ in range(400)] for space in (refined, SPACE))
    assert np.mean(inside) > np.mean(everywhere) + np.std(everywhere)


def test_patterns_state_experts_and_what_they_found() -> None:
    stated = Patterns().learn(SPACE, best_of(320, 0))
    said = [principle.statement for principle in stated.principles]
    assert "The last stage has squeeze-excitation." in said
    features = {pattern.feature for principle in stated.principles for pattern in principle.patterns}
    assert {"se on stage4.se", "5x5 kernels in stage 4", "width in stage 3"} <= features


def test_a_prompt_has_the_networks_code_and_the_meaning_of_every_choice() -> None:
    brief = Briefing.of(SPACE, EVERY_PART, 1)
    told = brief.variables()
    assert "class Network(nn.Module):" in told["code"]
    assert told["meanings"] == MEANINGS
    assert told["layers"][0] == {
        "name": "stage1.block1",
        "operators": ["mb3_e3", "mb5_e3", "mb3_e6", "mb5_e6"],
        "sources": ["input"],
    }
    (line,) = brief.cells([Evaluation(SPACE.decode(EXAMPLE), EXAMPLE, 1.0, METRIC)], scores=True)
    assert line.startswith("[mb3_e3, skip, skip, mb3_e6, mb3_e3, skip, mb5_e6, ")
    assert line.endswith("no_se, no_se, se, se, full] points 1")


def test_experts_are_written_as_they_are_read() -> None:
    from lapt.reasoning.experts.grounding import applying

    for expert in applying(SPACE):
        assert condition_of(declared(expert.condition)) == expert.condition
