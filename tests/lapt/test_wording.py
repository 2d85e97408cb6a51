"""Wording of durations, near misses and distances."""

from __future__ import annotations

import pytest

from lapt.errors import or_meant
from lapt.pipeline.results import ControlResult, FinalResult, TargetResult
from lapt.pipeline.wording import against, lasting, measured
from lapt.report.pages import breakable


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.634, "0.634 s"), (119, "119 s"), (180, "3 min"), (7_100, "118 min"), (9_000, "2.5 h"), (259_200, "3 days")],
)
def test_a_duration_has_the_unit_that_makes_it_readable(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_a_name_that_is_nearly_right_is_named() -> None:
    assert or_meant("rae", ["rea", "random"], "name one") == "did you mean rea?"
    assert or_meant("oracle", ["rea", "random"], "name one") == "name one"
    assert or_meant(None, ["rea"], "name one") == "name one"


def test_a_line_breaks_between_operators_and_a_model_s_text_stays_text() -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|"
    assert breakable(cell) == "|nor_conv_3x3~0|+<wbr>|none~0|<wbr>skip_connect~1|"
    assert breakable("<b>") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("mine", "theirs", "unit", "higher", "said"),
    [
        (91.5, 91.0, "%", True, "better than random search by 0.5 points"),
        (1.25, 1.0, "", False, "worse than random search by 0.25"),
        (1.0, 1.0, "", False, "as good as random search"),
        (None, 1.0, "", True, "no comparison with random search"),
    ],
)
def test_the_distance_from_a_control(mine: float | None, theirs: float, unit: str, higher: bool, said: str) -> None:
    common = {"task": "t", "architecture": "a", "unit": unit, "metric": "cross_entropy", "higher_is_better": higher}
    counted = {"evaluations": 1, "paid_now": 1, "seconds": 0.0}
    control = ControlResult.model_validate({**common, **counted, "validation": theirs, "method": "random"})
    target = TargetResult.model_validate(
        {**common, **counted, "validation": mine, "repeats": 0, "space_size": 1, "controls": (control,)}
    )
    assert against(target) == said
    assert measured(target) == ("cross entropy" if higher else "cross entropy, lower is better")


def with_test(test: float, images: int | None = 360, metric: str = "accuracy", unit: str = "%") -> dict[str, object]:
    """A result with a test score, on so many images."""
    final = FinalResult(test=test, parameters=1, flops=1, device_seconds=1.0, tested_on=images)
    return {
        "task": "t", "architecture": "a", "unit": unit, "metric": metric, "validation": 99.0, "test": test,
        "final": final, "evaluations": 1, "paid_now": 1, "seconds": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (with_test(97.0), with_test(98.0), "as good as random search on test (-1 +- 2.4 points)"),
        (with_test(97.0), with_test(80.0), "better than random search by 17 +- 4.5 points on test"),
        (with_test(97.0, None), with_test(98.0, None), "worse than random search by 1 points on test"),
        (with_test(0.5, 360, "ssim", ""), with_test(0.4, 360, "ssim", ""), "better than random search by 0.1 on test"),
        (with_test(97.0, 100_000), with_test(98.0, 100_000), "worse than random search by 1 +- 0.14 points on test"),
    ],
)
def test_the_distance_on_test_images_has_an_interval(
    mine: dict[str, object], theirs: dict[str, object], said: str
) -> None:
    control = ControlResult.model_validate({**theirs, "method": "random"})
    target = TargetResult.model_validate({**mine, "repeats": 0, "space_size": 1, "controls": (control,)})
    assert against(target) == said
