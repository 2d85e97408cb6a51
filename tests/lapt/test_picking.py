"""The choice from a front: the best score within limits."""

from __future__ import annotations

import pytest

from lapt.errors import ConfigError
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.picking import Limit, limits_of, picked
from lapt.pipeline.results import Found, FrontPoint

TWO = load_pipeline("invented", ["search.method=gp", "objectives=[accuracy, latency_ms]"])
FRONT = (FrontPoint("a", 80.0, 1.0, 7), FrontPoint("b", 85.0, 5.0, 2), FrontPoint("c", 90.0, 9.5, 4))
FOUND = Found(
    task="invented_a", architecture="c", validation=90.0, metric="accuracy", unit="%", evaluations=9, paid_now=0,
    seconds=0.0, front=FRONT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("latency_ms<5", [Limit("latency_ms", 5, True)]),
        (" latency_ms <= 2e5 ", [Limit("latency_ms", 2e5, False)]),
        ("test loss<-1,a<=.5", [Limit("test loss", -1, True), Limit("a", 0.5, False)]),
    ],
)
def test_limits_are_read(text: str, limits: list[Limit]) -> None:
    assert list(limits_of(text)) == limits


@pytest.mark.parametrize(
    "text", ["", "latency_ms", "latency_ms<", "<5", "a<5,", "a>5", "a=5", "a<nan", "a<inf", "a<<5"]
)
def test_what_is_no_limit_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME<NUMBER"):
        limits_of(text)


@pytest.mark.parametrize(
    ("text", "architecture"),
    [("latency_ms<5", "a"), ("latency_ms<=5", "b"), ("latency_ms<100", "c"), ("latency_ms<100,accuracy<90", "b")],
)
def test_the_best_score_within_the_limits_is_picked(text: str, architecture: str) -> None:
    assert picked(FOUND, TWO, limits_of(text)).architecture == architecture


def test_the_best_of_a_loss_is_the_lowest() -> None:
    falling = tuple(point._replace(validation=-point.validation) for point in FRONT)
    found = FOUND.model_copy(update={"higher_is_better": False, "front": falling})
    assert picked(found, TWO, limits_of("latency_ms<9")).architecture == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency_ms<1", "latency_ms<1; got none; the nearest is evaluation 7 with accuracy 80 % and latency_ms 1: a"),
        ("latency_ms<6,accuracy<=60", "nearest is evaluation 7 "),
        ("latency<5", "accuracy or latency_ms; got latency; did you mean latency_ms?"),
    ],
)
def test_nothing_to_pick_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        picked(FOUND, TWO, limits_of(text))
    assert said in str(error.value)


def test_a_run_without_a_front_has_nothing_to_pick() -> None:
    with pytest.raises(ConfigError, match="whose only objective is accuracy"):
        picked(FOUND, load_pipeline("invented"), limits_of("latency_ms<5"))
    with pytest.raises(ConfigError, match="an empty front"):
        picked(FOUND.model_copy(update={"front": ()}), TWO, limits_of("latency_ms<5"))
