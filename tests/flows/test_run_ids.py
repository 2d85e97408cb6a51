"""Run ids of earlier versions: stored runs are found again by them, so no change of the code may move them."""

from __future__ import annotations

import pytest

from flows.build import run_id
from lapt.algorithms import EARLIER
from lapt.pipeline.config import load_pipeline

KNOWN = {
    ("darts", None): "7e5fef865dd6",
    ("darts_surrogate", None): "ffa565cbe0b3",
    ("digits", None): "d4120fe1d7c5",
    ("digits", "chat:openai:gpt-4o"): "4102b05c5bc5",
    ("digits_table", None): "557f3382c2a0",
    ("invented", None): "1ec569e3fc75",
    ("nas201", None): "2e5cb0478118",
    ("nas201", "chat:openai:gpt-4o"): "a7b86b5d4cee",
    ("trans101", None): "177385b7d1de",
}
"""Preset and reasoner -> the id under the data checksum 00000000, as of the first version."""


PAID = "source={task: jigsaw, archive: {strategy: random, samples: 64, size: 16}}"
"""The source of the preset digits in the first version. It reads a table now."""


KEPT = [f"adaptation.{key}={value}" for key, value in EARLIER.items()]
"""The only way of the first version, which had no keys for it."""


REA = "search={method: rea, population_size: 5, generations: 1, tournament_size: 2, mutation_probability: 1.0}"
"""The search of the preset digits in the first version. It is by gp now."""


@pytest.mark.parametrize(("preset", "reasoner"), KNOWN)
def test_presets_keep_the_run_ids_of_the_first_version(preset: str, reasoner: str | None) -> None:
    before = [*KEPT, PAID, REA] if preset == "digits" else KEPT
    assert run_id(load_pipeline(preset, before, reasoner), "0" * 8) == KNOWN[preset, reasoner]
    for key in range(len(before)):
        others = before[:key] + before[key + 1 :]
        assert run_id(load_pipeline(preset, others, reasoner), "0" * 8) != KNOWN[preset, reasoner]


def test_a_key_that_says_something_is_part_of_the_run_id_and_of_what_is_stored() -> None:
    plain, guided = load_pipeline("nas201", KEPT), load_pipeline("nas201", [*KEPT, "guidance.initial=true"])
    assert run_id(guided, "0" * 8) == "1f6fe4cc1c9e" != run_id(plain, "0" * 8)
    assert "guidance" not in plain.model_dump(mode="json")
    assert type(guided).model_validate(guided.model_dump(mode="json")) == guided
