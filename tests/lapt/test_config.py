"""Declared pipelines: the presets are Table 1, and a fault is one line with expected, got and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapt.config import ReaSearch, load_pipeline, presets
from lapt.errors import ConfigError


def test_presets_are_table_1() -> None:
    nas201, trans101 = load_pipeline("nas201"), load_pipeline("trans101")
    assert (nas201.adaptation.top_r, nas201.adaptation.iterations, nas201.source.archive.size) == (5, 3, 50)
    assert nas201.search == ReaSearch(
        population_size=5, generations=1, tournament_size=2, mutation_probability=1.0, ask_size=1
    )
    assert (trans101.adaptation.top_r, trans101.adaptation.iterations, trans101.source.archive.size) == (15, 4, 50)
    assert trans101.search == ReaSearch(
        population_size=10, generations=1, tournament_size=5, mutation_probability=1.0, ask_size=1
    )
    assert (nas201.source.task, trans101.source.task) == ("imagenet16_120", "jigsaw")


@pytest.mark.parametrize("preset", presets())
def test_every_preset_is_valid(preset: str) -> None:
    assert load_pipeline(preset).name == preset


def test_set_overrides_a_key_with_a_yaml_value() -> None:
    pipeline = load_pipeline("nas201", ["seed=7", "search.generations=2", "targets=[cifar100]"])
    assert (pipeline.seed, pipeline.search.generations, pipeline.targets) == (7, 2, ("cifar100",))


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("sead=1", ["one of the keys", "'seed'", "got sead", "rename"]),
        ("search.generatons=2", ["'generations'", "got search.generatons"]),
        ("search.generations=0", ["search.generations", "greater than or equal to 1", "got 0"]),
        ("seed=many", ["seed", "integer", "'many'"]),
        ("seed=-1", ["seed", "greater than or equal to 0"]),
        ("targets=[]", ["targets", "at least 1"]),
        ("targets=[a, a]", ["twice"]),
        ("targets=cifar10", ["targets", "list", "'cifar10'"]),
        ("targets=[imagenet16_120]", ["source task imagenet16_120"]),
        ("search.tournament_size=9", ["tournament_size (9)", "population_size (5)"]),
        ("reasoner.kind=oracle", ["reasoner", "'oracle'", "'frequency', 'chat', 'random'"]),
        ("source.archive.strategy=middling", ["source.archive", "worst"]),
        ("source=jigsaw", ["source", "'jigsaw'"]),
        ("name=../../x", ["name", "pattern"]),
        ("seed", ["--set key=value"]),
        ("search.method.deep=1", ["--set"]),
        ("seed={", ["YAML"]),
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(override: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_pipeline("nas201", [override])
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith("expected ")
    assert all(part in text for part in parts), text
    assert raised.value.usage


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [", "42", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_pipeline(str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"name: \xff\xfe", "UTF-8"), (b"[" * 5000, "YAML"), (b"seed: 1\nseed: 2\n", "'seed' stands twice")],
)
def test_text_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_pipeline(str(path))


def test_yaml_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigError, match="YAML"):
        load_pipeline(str(path))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nspace: nas201\nevaluator: {kind: table, table: t}\ntargets: [a]\n")
    with pytest.raises(ConfigError, match="the key source"):
        load_pipeline(str(path))


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"nas201.*trans101"):
        load_pipeline("nas202")
