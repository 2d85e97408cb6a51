"""Wording of durations, near misses and distances."""

from __future__ import annotations

import pytest

from lapt.errors import or_meant
from lapt.pipeline.results import ControlResult, TargetResult
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
