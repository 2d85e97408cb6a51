"""A library of principles: what tasks say together, how it grows, what it leaves out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import condition_of
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric
from lapt.library.entries import Entry, Library, Reading, library_in, statements
from lapt.library.growing import FEWEST, Read, compared, grown
from lapt.library.pooling import DIFFERING, Odds, pooled
from lapt.spaces import BUILTIN, Architecture
from storage.library import library_named

NAS201 = BUILTIN["nas201"]
WIDE = condition_of({"width": {"at_least": 3}})
POOLS = condition_of({"count": {"operators": ["avg_pool_3x3"], "at_least": 3}})


def following(condition: object, n: int, *, first: int = 0) -> list[Architecture]:
    """Different functions that meet a condition."""
    members = members_of(NAS201)
    held = holding(condition, members)  # type: ignore[arg-type]
    found = [one for one, holds in zip(members.architectures, held, strict=True) if holds]
    return list({NAS201.canonical(one): one for one in found}.values())[first : first + n]


def read(task: str, good: Sequence[Architecture], *found: object) -> Read:
    return Read(task=task, data="table", kind="accuracy", good=good, found=found)  # type: ignore[arg-type]


def entry_of(library: Library, condition: object) -> Entry:
    return next(one for one in library.entries if one.condition == condition)


def reading(**changed: object) -> Reading:
    plain = {"task": "a", "data": "t", "kind": "accuracy", "support": 9, "of": 10, "base_rate": 0.5, "archive": "x"}
    return Reading.model_validate({**plain, **changed})


# --- what tasks say together ---------------------------------------------------------------------------------------
def test_the_log_odds_of_a_task_by_hand() -> None:
    odds = Odds(support=9, of=10, base_rate=0.5)
    assert odds.log_ratio == pytest.approx(math.log(9.5 / 1.5))
    assert odds.variance == pytest.approx(1 / 9.5 + 1 / 1.5)
    others = Odds(support=9, of=10, base_rate=0.25, base_of=20)
    assert others.log_ratio == pytest.approx(math.log(9.5 / 1.5) - math.log(5.5 / 15.5))
    assert others.variance == pytest.approx(1 / 9.5 + 1 / 1.5 + 1 / 5.5 + 1 / 15.5)


def test_two_tasks_by_hand() -> None:
    one, other = Odds(9, 10, 0.5), Odds(1, 10, 0.5)
    found = pooled([one, other])
    assert found.mean == pytest.approx(0.0)
    spread = 2 * math.log(9.5 / 1.5) ** 2
    assert found.error == pytest.approx(math.sqrt(spread / 2))
    assert pooled([one]).error == pytest.approx(math.sqrt(DIFFERING + one.variance))


counts = st.tuples(st.integers(0, 50), st.floats(0.02, 0.98)).map(lambda drawn: Odds(drawn[0], 50, drawn[1]))


@given(st.lists(counts, min_size=1, max_size=6))
def test_one_more_task_of_the_same_effect_founds_it_better_and_a_contrary_one_worse(odds: list[Odds]) -> None:
    before = pooled(odds)
    if before.mean <= 0.2:
        return
    same = pooled([*odds, *odds])
    assert same.mean == pytest.approx(before.mean)
    assert same.error <= before.error + 1e-9
    contrary = pooled([*odds, Odds(0, 50, 0.9)])
    assert contrary.mean < before.mean
    assert contrary.lower < before.lower


def test_an_archive_that_is_read_twice_is_not_twice_the_evidence() -> None:
    once = Entry(space="nas201", condition=WIDE).with_reading(reading())
    assert once.with_reading(reading()) is once
    other_archive = once.with_reading(reading(archive="y"))
    assert len(other_archive.readings) == 2
    assert once.pooled == other_archive.pooled
    another_task = once.with_reading(reading(task="b"))
    assert another_task.pooled is not None
    assert once.pooled is not None
    assert another_task.pooled.lower > once.pooled.lower


# --- how it grows ----------------------------------------------------------------------------------------------------
def test_a_task_judges_what_others_found_for_or_against() -> None:
    wide, pooling = following(WIDE, 40), following(POOLS, 40)
    library, new, _ = grown(Library(), NAS201, read("one", wide, WIDE))
    assert new > 1  # its own, and the experts'
    library, new, judged = grown(library, NAS201, read("two", pooling, POOLS))
    assert new == 1
    assert judged == len(library.entries)
    kept = entry_of(library, WIDE)
    assert [(one.task, one.found) for one in kept.readings] == [("one", True), ("two", False)]
    first, second = kept.readings
    assert first.support == first.of == 40
    assert second.support < second.of
    again, new, judged = grown(library, NAS201, read("two", pooling, POOLS))
    assert (again, new, judged) == (library, 0, 0)


def test_too_few_architectures_add_nothing() -> None:
    library = Library()
    assert grown(library, NAS201, read("few", following(WIDE, FEWEST - 1) * 3, WIDE)) == (library, 0, 0)


def test_the_best_of_a_target_stand_against_the_others_that_were_evaluated() -> None:
    metric = Metric("loss", higher_is_better=False)
    cells = following(WIDE, 20)
    found = [Evaluation(one, str(at), float(at), metric) for at, one in enumerate(cells)]
    failed = Evaluation(following(POOLS, 1)[0], "x", None, metric, error="no")
    good, others = compared([*found, failed], NAS201)
    assert good == cells[:5]
    assert others == cells[5:]
    shown = replace(read("target", good), others=others)
    library, _, judged = grown(Library(), NAS201, shown)
    assert judged
    assert {(one.of, one.base_of) for entry in library.entries for one in entry.readings} == {(5, 15)}


# --- what it leaves out ----------------------------------------------------------------------------------------------
def test_what_a_target_said_does_not_count_for_it() -> None:
    library = Library()
    for task, cells in (("one", following(WIDE, 40)), ("two", following(WIDE, 40, first=200))):
        library, _, _ = grown(library, NAS201, read(task, cells, *([WIDE] if task == "one" else [])))
    known = [entry.condition for entry, _ in library.best_founded("nas201", without={"two"})]
    assert WIDE in known
    for entry, _ in library.best_founded("nas201", without={"two"}):
        assert {one.task for one in entry.readings} == {"one"}
    # It was found on that task: the choice of the condition already tells of the target.
    assert WIDE not in [entry.condition for entry, _ in library.best_founded("nas201", without={"one"})]
    assert library.best_founded("nas201", without={"one", "two"}) == []
    assert library.best_founded("trans101") == []
    assert library.best_founded("nas201", kinds={"ssim"}) == []


def test_statements_weigh_what_is_sure_and_leave_out_what_is_not() -> None:
    unsure = Entry(space="nas201", condition=POOLS, readings=(reading(support=5),))
    sure = Entry(space="nas201", condition=WIDE, readings=(reading(of=50, support=49),))
    library = Library(entries=(unsure, sure))
    (stated,) = statements(library.best_founded("nas201"), "library")
    assert stated.condition == WIDE
    assert sure.pooled is not None
    assert stated.weight == pytest.approx(sure.pooled.mean, abs=1e-4)
    assert [(seen.task, seen.support, seen.of) for seen in stated.evidence] == [("a", 49, 50)]


# --- its file --------------------------------------------------------------------------------------------------------
def test_a_library_is_the_same_after_writing_and_reading() -> None:
    library, _, _ = grown(Library(), NAS201, read("one", following(WIDE, 40), WIDE))
    assert library_in(library.text, "here") == library


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 2, "entries": []}', "a library of version 1 in here; got version 2"),
        ("[1, 2", "JSON in here"),
        ('{"version": 1, "entries": [{"space": "nas201"}]}', "the key entries.0.condition in here"),
        ('{"version": 1, "entrys": []}', "one of the keys"),
    ],
)
def test_a_file_that_is_none_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        library_in(text, "here")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_shipped_library_holds_no_architecture_and_no_score() -> None:
    library = library_named("shipped")
    assert set(library.spaces) >= {"nas201", "trans101"}
    places = {one.place for entry in library.entries for one in entry.readings}
    assert {"digits jigsaw", "nasbench201 cifar10", "transnas101_micro jigsaw"} <= places
    for entry in library.entries:
        of_space = {one.place for other in library.entries if other.space == entry.space for one in other.readings}
        assert {one.place for one in entry.readings} == of_space  # every task judged it
    assert "~0|" not in library.text
