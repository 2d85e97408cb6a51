"""One way to read YAML: strict on keys that stand twice, able to merge, bounded; faults say what to write instead."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lapt.base.declarations import ENTRIES, LONGEST, parsed, text_of, value_of
from lapt.errors import ConfigError, LaptError
from lapt.pipeline.config import load_pipeline, load_plan, validated
from lapt.spaces import space_named
from storage.benchmarks.kinds import read_declaration

PIPELINE = """name: y
space: nas201
evaluator: {kind: table, table: nasbench201}
source: {task: cifar10, archive: {strategy: random, samples: 20, size: 5}}
targets: [cifar100]
adaptation: {iterations: 1, top_r: 1}
search: {method: rea, population_size: 2, generations: 1, tournament_size: 2}
"""


# --- keys that stand twice, and merging ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\na: 2", "'a'"),
        ('a: 1\n"a": 2', "'a'"),
        ("a: {b: {c: [{d: 1, d: 2}]}}", "'d'"),
        ("1: x\n0x1: y", "1"),
        ("yes: x\ntrue: y", "True"),
        ("1: x\n1.0: y", "1.0"),
        ("a: &a {x: 1}\nb: {x: 2, <<: *a, x: 3}", "'x'"),
        ("a: &a {x: 1}\nb: &b {y: 1}\nc: {<<: *a, <<: *b}", "'<<'"),
        ("a: &a {x: 1, x: 2}\nb: {<<: *a}", "'x'"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str, key: str) -> None:
    with pytest.raises(ValueError, match=rf"^line \d+: the key {key} stands twice"):
        value_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", {"x": 1, "y": 3}),
        ("a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}", {"x": 1, "y": 3}),
        ("a: &a {x: 1}\nc: &c {x: 2, z: 3}\nb: {<<: [*a, *c]}", {"x": 1, "z": 3}),
        ("b: {<<: {x: 1}, y: 2}", {"x": 1, "y": 2}),
        ("a: &a {x: 1}\nc: &c {<<: *a, y: 2}\nb: {<<: *c, z: 3}", {"x": 1, "y": 2, "z": 3}),
        ('b: {"<<": 1}', {"<<": 1}),
    ],
)
def test_what_stands_in_a_mapping_goes_before_what_is_merged(text: str, expected: dict[str, int]) -> None:
    assert value_of(text)["b"] == expected


def test_what_an_alias_stands_for_is_a_copy() -> None:
    """--set must not change two places at once."""
    found = value_of("a: &a {x: {y: [1]}}\nb: *a\nc: {<<: *a}")
    found["b"]["x"]["y"].append(2)
    assert (found["a"], found["c"]) == ({"x": {"y": [1]}},) * 2


Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="ascii")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz<", max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(Values)
def test_what_yaml_writes_is_read_as_it_was(value: Any) -> None:
    assert value_of(yaml.safe_dump(value)) == value


TABLE = """name: t
space: nas201
tasks: {pets: {validation: pets, metric: accuracy, unit: "%"}}
"""
SPACE = "name: s\nencoding: '{a}'\nlayers: [{name: a, operators: [x, y]}]\n"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (PIPELINE, load_pipeline),
        (SPACE, space_named),
        (TABLE, lambda path: read_declaration(Path(path))),
        ("name: p\nspace: nas201\ntasks: [jigsaw]\nevaluator: {kind: training, data: digits}\n", load_plan),
    ],
    ids=["pipeline", "space", "table", "plan"],
)
def test_every_declaration_is_read_alike(tmp_path: Path, text: str, read: Any) -> None:
    file = tmp_path / "declared.yaml"
    file.write_text(text)
    read(str(file))
    for wrong, said in (
        (text + "name: other\n", r"YAML in .*declared\.yaml; got line \d+: the key 'name' stands twice"),
        (text + "more: [&a [x, *a]]\n", "an alias inside what it stands for"),
        (text + laughs(10, 10), "aliases that stand for more than 100,000 values"),
        (text + "a:\n\t- b\n", r"got line \d+: .*'\\t'.*; indent with spaces"),
        (text + "---\n" + text, "single document"),
        (text + "a: !!python/object/apply:os.system [id]\n", "tag"),
        (text + "#" * LONGEST, "1,000,... bytes, more than 1,000,000"),
        (text.replace(text.splitlines()[0], "name: 2024"), r'text as name; got 2024.*quote it \("2024"\)'),
    ):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match=said) as raised:
            read(str(file))
        assert "\n" not in str(raised.value)


def test_set_takes_values_by_the_same_rules() -> None:
    changed = load_pipeline("nas201", ["search={<<: {method: rea}, population_size: 7}"])
    assert changed.search.population_size == 7
    with pytest.raises(ConfigError, match="the key 'method' stands twice"):
        load_pipeline("nas201", ["search={method: rea, method: gp}"])
    with pytest.raises(ConfigError, match="aliases that stand for"):
        load_pipeline("nas201", [f"targets={laughs(9, 9)}"])


# --- bounds ----------------------------------------------------------------------------------------------------------
def laughs(wide: int, deep: int, merged: bool = False) -> str:
    """Aliases of aliases: ``wide`` to the power of ``deep`` values in some hundred characters."""
    opening, closing = ("{<<: [", "]}") if merged else ("[", "]")
    lines = ["l0: &l0 {x: 1}" if merged else f"l0: &l0 [{', '.join('x' * wide)}]"]
    lines += [f"l{at}: &l{at} {opening}{', '.join([f'*l{at - 1}'] * wide)}{closing}" for at in range(1, deep)]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize(
    "text",
    [
        laughs(9, 9),
        laughs(9, 9, merged=True),
        laughs(2, 60),
        laughs(1_000, 3),
        "&a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "[" + "0," * (ENTRIES + 1) + "]",
        "- 0\n" * (ENTRIES + 1),
        "[" * 100_000,
        "a: " + ":".join(["1"] * 400_000),
        "a: " + "9" * 900_000,
    ],
    ids=lambda text: f"{text[:14]}..."[:20].replace("\n", " "),
)
def test_a_text_that_stands_for_too_much_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011  the kinds differ; that it is soon is what matters
        value_of(text)
    assert time.process_time() - began < 5


@given(st.integers(1, 12), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_aliases_are_counted_as_what_they_stand_for(wide: int, deep: int) -> None:
    try:
        value_of(laughs(wide, deep))
        refused = False
    except ValueError:
        refused = True
    # The last level has wide^deep leaves; with those of the other levels, and the lists, a few times as many.
    assert refused or wide**deep < ENTRIES
    assert not refused or 4 * (wide + 1) ** deep > ENTRIES


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    for path in (tmp_path / "fifo.yaml", tmp_path):
        with pytest.raises(ConfigError, match="no regular file"):
            text_of(path)


# --- words that YAML does not read as words --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("no", "'no'"),
        ("off", "'off'"),
        ("yes", "'yes'"),
        ("8", '"8"'),
        ("1.5", '"1.5"'),
        ("2024-01-02", '"2024-01-02"'),
    ],
)
@pytest.mark.parametrize(
    "place", ["targets: [{}]", "source: {{task: {}, archive: {{strategy: random}}}}", "name: {}", "space: {}"]
)
def test_a_word_that_is_none_is_to_be_quoted(written: str, quoted: str, place: str) -> None:
    key = place.partition(":")[0]
    lines = [line for line in PIPELINE.splitlines() if not line.startswith(f"{key}:")]
    declared = parsed("\n".join([*lines, place.format(written)]), "x.yaml", "")
    with pytest.raises(LaptError, match=r"quote it|write one") as raised:
        validated(declared, "x.yaml")
    assert key == "space" or quoted in str(raised.value)


@pytest.mark.parametrize("number", ["1,000", "12,345", "1,000,000", "0,5", "-2,000"])
def test_a_number_with_a_comma_is_two_things(number: str) -> None:
    with pytest.raises(ValueError, match=f"^line 1: {','.join(number.split(',')[:2])} is two things here"):
        value_of(f"{{samples: {number}, size: 5}}")


@pytest.mark.parametrize("text", ["[1,100]", "[8,16,32]", "{a: 1,b: 2}", "{a: 1, 2: 3}", "[1, 000]", "['1','000']"])
def test_lists_need_no_spaces(text: str) -> None:
    assert value_of(text) == yaml.safe_load(text)


# --- where a fault is, and what there is instead ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "evaluator.epochs=12",
            r"one of the keys \['kind', 'table', 'seconds', 'missing', 'pool'\]; got evaluator\.epochs; a table has",
        ),
        ("evaluator.tabel=x", r"got evaluator\.tabel; did you mean table"),
        ("search.sample_size=10", "did you mean tournament_size"),
        ("search.budget=150", r"got search\.budget; a budget is said in evaluations"),
        ("search.time_budget=40000", "--max-seconds"),
        ("search.method=asha", "trainings stop early by fidelity: {epochs"),
        ("search.initial=5", "it is a key of method: gp, hebo_like, .*: declare that, or leave it out"),
        ("evaluator.data=digits", "it is a key of kind: training, supernet: declare that"),
        ("reasoner.model=x", "got reasoner.model; it is a key of kind: chat: declare that"),
        ("search.method=Regularized-Evolution", "did you mean rea"),
        ("source.archive.count=3", r"\['strategy', 'size', 'samples'\]; got source\.archive\.count"),
        ("source.task=[a, b]", "principles are learned from one task"),
        ("source=null", "to search without principles say source: none"),
        ("reasoner=null", "leave it out for patterns"),
        ("evaluator.table=../x", r"evaluator\.table: .*got '\.\./x'"),
        ("evaluator.table=a/b", r"evaluator\.table: "),
        ("evaluator.table=/etc/x", r"evaluator\.table: "),
        ("evaluator.table=..", r"evaluator\.table: "),
        ("evaluator.table=.hidden", r"evaluator\.table: "),
        (r'evaluator.table="x\e[31m"', r"evaluator\.table: .*got 'x\\x1b"),
    ],
)
def test_a_fault_names_its_place_and_what_there_is_instead(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        load_pipeline("nas201", ["search.method=rea", "source.archive={strategy: random}", override])
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"kind": "training", "data": "digits", "epochs": 3}, r"got evaluator\.epochs; did you mean recipe"),
        (
            {"kind": "training", "data": "digits", "recipe": {"epoch": 3}},
            r"got evaluator\.recipe\.epoch; did you mean",
        ),
        ({"kind": "training", "data": [1]}, r"expected evaluator\.data: "),
    ],
)
def test_a_fault_of_a_training_names_its_place(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        validated({**parsed(PIPELINE, "x.yaml", ""), "evaluator": declared}, "x.yaml")
