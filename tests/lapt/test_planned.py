"""Parts of a run, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from lapt.pipeline.config import load_pipeline, validated
from lapt.pipeline.planned import counted, parts_of

IMAGES: dict[str, Any] = {
    "name": "mine",
    "space": "nas201",
    "evaluator": {"kind": "training", "data": "digits"},
    "source": {"task": "jigsaw", "archive": {"strategy": "random", "samples": 60, "size": 20}},
    "targets": ["classification", "autoencoding"],
    "adaptation": {"iterations": 3},
    "search": {"method": "rea", "population_size": 5, "generations": 1, "tournament_size": 2},
    "controls": ["random"],
}


def paid(declared: dict[str, Any], finals: tuple[str, ...] = ()) -> list[tuple[str, str, int, int]]:
    return [(p.purpose, p.task, p.paid, p.looked_up) for p in parts_of(validated(declared, "here"), finals)]


def test_a_run_that_trains_pays_for_source_searches_controls_and_final_trainings() -> None:
    assert paid(IMAGES, ("classification",)) == [
        ("source", "jigsaw", 60, 0),
        ("search", "classification", 20, 0),  # 5 + 3 x 5
        ("search", "autoencoding", 20, 0),
        ("control", "classification", 20, 0),
        ("control", "autoencoding", 20, 0),
        ("final training", "classification", 2, 0),  # of LAPT's and of the control's
    ]
    said = counted(parts_of(validated(IMAGES, "here"), ["classification"]))
    assert said == "140 trainings (60 of sources, 40 of searches, 40 of controls), then 2 final trainings"


@pytest.mark.parametrize("source", [{"library": "shipped"}, {"run": "0" * 12}, "none"])
def test_principles_that_are_at_hand_cost_nothing(source: Any) -> None:
    found = paid({**IMAGES, "source": source, "controls": []})
    assert sum(number for purpose, _, number, _ in found if purpose == "source") == 0
    assert sum(number for *_, number, _ in found) == 40


def test_look_ups_are_not_paid() -> None:
    parts = parts_of(load_pipeline("digits_table"), [])
    assert sum(part.paid for part in parts) == 0
    assert [part.looked_up for part in parts] == [50, 20, 20, 20, 20, 20, 20]


def test_a_run_with_supernets_pays_for_one_a_space() -> None:
    darts = load_pipeline("darts", ["controls=[random]"])
    parts = parts_of(darts, ["cifar10"])
    supernets = [(part.task, part.paid, part.method) for part in parts if part.purpose == "supernet"]
    assert supernets == [
        ("cifar100", 1, "of the source"),
        ("cifar10", 2, "of refined spaces"),
        ("cifar10", 1, "of the whole space"),
    ]
    assert counted(parts, inherits=True).startswith("4 supernets and 5,890 scores (5,000 of sources,")
