"""Declared pipelines: the presets are Table 1, and a fault is one line with expected, got and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapt.errors import ConfigError
from lapt.evaluators.config import SupernetEvaluation, TrainingEvaluation
from lapt.evaluators.images import TrainingSpec
from lapt.pipeline.config import load_pipeline, overridden, presets
from lapt.reasoning.config import PatternsReasoner
from lapt.search.config import SECTIONS
from lapt.spaces import space_named
from lapt.training import Recipe


def test_presets_are_table_1() -> None:
    nas201, trans101 = load_pipeline("nas201"), load_pipeline("trans101")
    assert (nas201.adaptation.top_r, nas201.adaptation.iterations, nas201.source.archive.size) == (5, 3, 50)
    assert nas201.search == SECTIONS["rea"](
        population_size=5, generations=1, tournament_size=2, mutation_probability=1.0, ask_size=1
    )
    assert (trans101.adaptation.top_r, trans101.adaptation.iterations, trans101.source.archive.size) == (15, 4, 50)
    assert trans101.search == SECTIONS["rea"](
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
        ("sead=1", ["one of the keys", "'seed'", "got sead", "did you mean seed?"]),
        ("colour=1", ["one of the keys", "got colour", "rename"]),
        ("search.method=rae", ["search.method among 'random'", "got 'rae'", "did you mean rea?"]),
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
        ("evaluator={kind: supernet, data: digits, supernet: {epochs: 2}}", ["'recipe'", "got evaluator.supernet"]),
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


def test_the_darts_preset_is_table_1() -> None:
    darts = load_pipeline("darts")
    archive = darts.source.archive
    assert (darts.source.task, archive.size, archive.evaluations) == ("cifar100", 100, 5000)
    assert (darts.adaptation.top_r, darts.adaptation.iterations) == (50, 2)
    search = darts.search.model_dump()
    assert (search["population_size"], search["tournament_size"], search["generations"]) == (20, 2, 10)
    assert (search["mutation_probability"], search["crossover_probability"]) == (0.5, 0.5)
    assert isinstance(darts.evaluator, SupernetEvaluation)
    assert darts.evaluator.recipe.epochs == 30
    assert darts.evaluator.final is not None
    assert darts.evaluator.final.recipe == Recipe.published_darts()
    assert 3 * darts.evaluator.final.cells + 2 == 20
    assert darts.budget == 20 + 2 * 200
    assert darts.scored_again == 50


def test_a_scale_is_a_named_set_of_other_values_and_what_is_set_comes_after_it() -> None:
    tiny = load_pipeline("darts", ["evaluator.channels=6", "scale=tiny"])
    assert isinstance(tiny.evaluator, SupernetEvaluation)
    assert (tiny.evaluator.channels, tiny.evaluator.cells, tiny.evaluator.recipe.epochs) == (6, 1, 6)
    assert tiny.evaluator.recipe.nesterov is False  # what the scale does not say stays
    assert tiny.space == "darts"
    with pytest.raises(ConfigError, match=r"a scale of darts among \['tiny'\]; got 'huge'"):
        load_pipeline("darts", ["scale=huge"])
    with pytest.raises(ConfigError, match=r"a scale of nas201 among \[\]"):
        load_pipeline("nas201", ["scale=tiny"])


def test_one_set_of_images_has_many_tasks_and_each_of_many_is_a_task() -> None:
    one = TrainingEvaluation(kind="training", data="digits")
    assert one.images_of("jigsaw") == ("digits", "jigsaw")
    many = TrainingEvaluation(kind="training", data={"mine": "photos", "theirs": "digits"})
    assert many.images_of("mine") == ("photos", "classification")
    with pytest.raises(ConfigError, match=r"images for the task other in evaluator\.data; got those of"):
        many.images_of("other")
    spec = TrainingSpec.of(many, space_named("nas201"), "theirs", "cpu", final_epochs=3)
    assert (spec.name, spec.task, spec.data, spec.final_recipe.epochs) == ("theirs", "classification", "digits", 3)


def test_a_finished_pipeline_with_other_values() -> None:
    digits = load_pipeline("digits")
    assert overridden(digits, ["evaluator.final_epochs=3"]).evaluator.final_epochs == 3  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="final_epohcs"):
        overridden(digits, ["evaluator.final_epohcs=3"])


def test_a_section_that_says_no_kind_is_of_the_default_one(tmp_path: Path) -> None:
    short = tmp_path / "short.yaml"
    short.write_text("name: a\nspace: nas201\nevaluator: {kind: table, table: t}\nsource: {task: x}\ntargets: [y]\n")
    given = load_pipeline(str(short), ["search.generations=2", "reasoner.breadth=0.5"])
    assert (given.search.method, given.search.generations) == ("gp", 2)
    assert given.reasoner == PatternsReasoner(breadth=0.5)
