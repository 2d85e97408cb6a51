"""A cell family that LAPT does not know: registered by its import name, and used by everything without an edit."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import lapt
from lapt.base.digests import digest
from lapt.errors import ConfigError, LaptError, SpaceError
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators import Table, TableEvaluator
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator, network_of
from lapt.pipeline.config import Pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency, Patterns, Reasoner
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.parts import EVERY_PART
from lapt.report.cells import cell_figures, legend
from lapt.search import SEARCHERS
from lapt.spaces import BUILTIN, FAMILIES, Architecture, SearchSpace, register, whole_of
from lapt.testing.searchers import CHECKS, Check, Ground
from lapt.training import Recipe

FAMILY_CLASSES = "DagCell|DagFamily|DartsCell|DartsFamily|GraphCell|GraphFamily|MobileCell|MobileFamily|DeclaredSpace"
KNOW_ONE_BENCHMARK = {
    "lapt/evaluators/surrogate.py",
    "storage/benchmarks/official/graph.py",
    "storage/benchmarks/surrogates.py",
    "flows/studies/literature.py",
}
"""Modules of NAS-Bench-301's surrogate and of the paper's tables, which are of DARTS cells and no others, and of
NAS-Bench-Graph's files, whose numbers are its family's."""


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For one test: others list the spaces that there are."""
    monkeypatch.setattr("lapt.spaces.families._registered", {})
    register("sketch", "sketch.cell:SKETCH")
    register("bare", "sketch.cell:BARE")
    yield
    for name in ("sketch", "bare"):
        FAMILIES.pop(name, None)


@pytest.fixture
def space() -> SearchSpace:
    return BUILTIN["sketch"]


def worth(operators: list[str]) -> float:
    """The score of what is computed: convolutions are good, best before anything else, and poolings are bad."""
    each = {"conv": 1.0, "deep": 1.4, "pool": -0.6}
    return sum(each[operator] for operator in operators) + (operators[:1] == ["conv"])


def table_of(space: SearchSpace) -> Table:
    """Two tasks that agree but for noise."""
    rng, cells = np.random.default_rng(0), list(space.members())
    values = np.array([worth(FAMILIES["sketch"].working(cell)) for cell in cells])
    scores = {task: {"validation": values + rng.normal(0, 0.05, len(values))} for task in ("easy", "hard")}
    metrics = {task: Metric("points") for task in scores}
    return Table(space.name, space.name, tuple(map(space.encode, cells)), scores, metrics, digest(space.name))


def pipeline_of(space: SearchSpace, method: str) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "mine",
            "space": space.name,
            "evaluator": {"kind": "table", "table": "sketches"},
            "source": {"task": "easy", "archive": {"strategy": "top", "size": 16}},
            "targets": ["hard"],
            "search": {"method": method, "population_size": 4, "generations": 2},
        }
    )


# --- a space like any other ------------------------------------------------------------------------------------------
def test_its_space_is_among_the_others_and_counted(space: SearchSpace) -> None:
    assert list(BUILTIN) == ["nas201", "trans101", "darts", "darts7", "nas_bench_graph", "mobile", "sketch", "bare"]
    cells = list(space.members())
    assert space.size == len(cells) == 4**3 * 4 * 2
    assert [space.decode(space.encode(cell)) for cell in cells] == cells
    functions = {space.canonical(cell) for cell in cells}
    assert len(functions) == 1 + 3 + 9 + 27 + 81  # rows of up to four of three operators
    assert all(space.canonical(form) == form and space.contains(form) for form in functions)
    assert SearchSpace.model_validate_json(space.model_dump_json()) == space
    with pytest.raises(SpaceError, match="a sketch such as"):
        space.decode("rcp")


@pytest.mark.parametrize("name", ["sketch", "bare"])
@pytest.mark.parametrize("reasoner", [Patterns(), Frequency(max_operators=2)], ids=lambda reasoner: reasoner.name)
@pytest.mark.parametrize("method", ["rea", "gp", "weaknas_t"])
def test_a_pipeline_runs_on_it_from_archive_to_adaptation(name: str, reasoner: Reasoner, method: str) -> None:
    space = BUILTIN[name]
    table, steps = table_of(space), Steps(pipeline_of(space, method), space, reasoner)
    archive = steps.build_archive(TableEvaluator(table, space, "easy"))
    assert archive.entries[0].architecture in [space.decode(text) for text in table.architectures]
    principles = steps.learn(archive)
    refined = steps.refine(principles, task="hard")
    assert refined.size < space.size / 4
    search = TargetSearch(steps, TableEvaluator(table, space, "hard"), archive)
    found, evaluations = search.run(principles)
    assert found is not None
    assert steps.pipeline.search.budget(1) <= len(evaluations) <= steps.pipeline.budget
    assert found.score >= np.quantile(table.column("hard"), 0.99)


def test_patterns_speak_of_its_features_and_of_its_experts(space: SearchSpace) -> None:
    evaluator = TableEvaluator(table_of(space), space, "easy")
    stated = Patterns().learn(space, Steps(pipeline_of(space, "rea"), space, Patterns()).build_archive(evaluator))
    said = " ".join(principle.statement for principle in stated.principles)
    assert "A convolution comes first." in said
    assert {p.feature for principle in stated.principles for p in principle.patterns} >= {"convolutions", "poolings"}


@pytest.mark.parametrize("method", ["rea", "gp", "bonas", "weaknas_t"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_search_methods_keep_their_promises_on_it(space: SearchSpace, check: Check, method: str) -> None:
    operators = {name: ["rest", "conv"] for name in space.layer_names}
    small = space.restrict(operators=operators, sources={"d": ["before"]})
    check(partial(SEARCHERS[method]), Ground(space, small))


# --- what people and language models see -----------------------------------------------------------------------------
def test_a_prompt_has_its_program_its_meanings_and_what_is_chosen_in_vain(space: SearchSpace) -> None:
    brief = Briefing.of(space.restrict(operators={"a": ["conv"]}), EVERY_PART, 1)
    told = brief.variables()
    assert "'a': (('conv', 'before'),)" in told["code"]
    assert told["meanings"] == {"deep": "two convolutions", "rest": "identity"}
    cell = space.decode("cpr/d*")
    (line,) = brief.cells([Evaluation(cell, "cpr/d*", 1.0, Metric("points"))], scores=False)
    assert line.endswith("dead: a b")
    assert "LAYERS = {" in Briefing.of(BUILTIN["bare"], EVERY_PART, 1).variables()["code"]


def test_its_cell_is_drawn_with_what_has_no_effect(space: SearchSpace) -> None:
    cell = space.decode("cpr/d*")
    ((name, drawn),) = cell_figures("t", space, cell)
    assert name == "sketch"
    assert "sketch; in to a: conv (dead), a to b: pool (dead), b to c: rest (dead), in to out: deep" in drawn
    assert "Dotted grey ones have no part" in legend(space, cell)
    ((name, drawn),) = cell_figures("t", BUILTIN["bare"], cell)
    assert "input to a: conv, a to b: pool" in drawn


# --- its networks ----------------------------------------------------------------------------------------------------
def spec_of(space: SearchSpace, **more: object) -> TrainingSpec:
    recipe = Recipe(epochs=1, batch_size=50)
    given = {"data": "digits", "task": "classification", "channels": 4, "training_images": 100, "recipe": recipe}
    return TrainingSpec(space=space, **{**given, **more})


def test_its_networks_are_trained_in_other_processes(space: SearchSpace) -> None:
    evaluator = TrainingEvaluator(spec_of(space), processes=1)
    evaluator.check()
    one, same, pooled = evaluator.evaluate([space.decode(text) for text in ("rcr/r", "ddd/c*", "ppp/p")])
    assert one.value == same.value is not None
    assert one.identity == same.identity == "crr/r"
    assert one.parameters == one.live_parameters == 9 * 4 * (1 + 4) + 2 * 8 + 4 * 10 + 10
    assert pooled.value is not None
    network = network_of(evaluator.spec, space.decode("dpr/r"))
    assert network.parameter_count == 9 * 4 * (1 + 8) + 2 * 12 + 4 * 10 + 10


def test_what_it_does_not_offer_is_refused_in_a_line(space: SearchSpace) -> None:
    from lapt.evaluators.zero_cost import zero_cost_scores
    from lapt.export import ExportError, python_source
    from lapt.networks import Supernet
    from lapt.training.tasks import make_task

    spec = spec_of(space, recipe=Recipe(epochs=1, drop_path=0.1))
    with pytest.raises(ConfigError, match=r"for recipe\.drop_path; got sketch"):
        TrainingEvaluator(spec).check()
    with pytest.raises(SpaceError, match="a space whose networks share weights; got sketch"):
        Supernet(space, channels=4, cells=1)
    with pytest.raises(SpaceError, match="a space whose networks can be scored untrained; got sketch"):
        zero_cost_scores(space, "synflow")
    with pytest.raises(ExportError, match="written as Python; got sketch"):
        python_source(space, space.decode("crr/r"), make_task("classification", digits()), channels=4, cells=1)
    space.family.check_trained("training", shared=False)
    with pytest.raises(ConfigError, match=r"kind table or training for sketch; got supernet; .* share no weights"):
        space.family.check_trained("supernet", shared=True)
    with pytest.raises(ConfigError, match=r"kind table for bare; got training; .* not known"):
        BUILTIN["bare"].family.check_trained("training", shared=False)
    with pytest.raises(SpaceError, match="a space whose networks are known; got bare"):
        TrainingEvaluator(spec_of(BUILTIN["bare"])).check()


def digits() -> object:
    from lapt.data.sources import load_images

    return load_images("digits", None).train


# --- the registry ----------------------------------------------------------------------------------------------------
def functions_there(space: SearchSpace, cells: list[Architecture]) -> list[str]:
    """In a process that nobody told of the family."""
    return [space.encode(space.canonical(cell)) for cell in cells]


def test_a_space_takes_its_family_along_to_another_process(space: SearchSpace) -> None:
    cells = [space.sample(np.random.default_rng(seed)) for seed in range(5)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(functions_there, space, cells).result() == functions_there(space, cells)
    own = BUILTIN["nas201"]
    assert b"lapt.families" not in pickle.dumps(own)
    assert pickle.loads(pickle.dumps(own)) == own


@pytest.mark.parametrize(
    ("name", "where", "words"),
    [
        ("lost", "sketch.cells:SKETCH", r"a cell family named lost at sketch\.cells:SKETCH; got ModuleNotFoundError"),
        ("dictionary", "sketch.cell:OPERATORS", r"a cell family named dictionary at .*; got \{'rest'"),
        ("other", "sketch.cell:SKETCH", r"a cell family named other at .*; got .*SketchFamily"),
    ],
)
def test_what_is_no_family_of_that_name_is_said_and_left_out(name: str, where: str, words: str) -> None:
    register(name, where)
    with pytest.raises(ConfigError, match=words):
        FAMILIES[name]
    with pytest.warns(UserWarning, match=f"the cell family {name} is left out"):
        assert name not in BUILTIN


def test_names_are_taken_once_and_unknown_ones_are_said(space: SearchSpace) -> None:
    register("sketch", "sketch.cell:SKETCH")
    for name, where in (("sketch", "sketch.cell:BARE"), ("nas201", "sketch.cell:SKETCH")):
        with pytest.raises(ConfigError, match=f"a name of its own for {where}; got {name}, of "):
            register(name, where)
    known = re.escape(
        f"a cell family among {['bare', 'darts', 'mobile', 'nas201', 'nas_bench_graph', 'sketch', 'trans101']}"
    )
    with pytest.raises(SpaceError, match=known):
        SearchSpace(name="x", cell="sketched", layers=space.layers)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the family's package as pip would leave it."""
    (tmp_path / "sketch").symlink_to(Path(__file__).parent / "sketch")
    info = tmp_path / "sketch-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sketch\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lapt.families]\nsketch = sketch.cell:SKETCH\nnas201 = sketch.cell:SKETCH\nlost = sketch.cell:LOST\n"
    )
    return tmp_path


def test_an_installed_package_offers_its_family(installed: Path) -> None:
    code = """
import sys
from lapt.spaces import BUILTIN, space_named
print(BUILTIN["nas201"].encode(next(BUILTIN["nas201"].members()))[:6], "sketch" in sys.modules)
print(space_named("sketch").size, list(BUILTIN))
"""
    path = os.pathsep.join([str(installed), str(Path(lapt.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    spaces = ["nas201", "trans101", "darts", "darts7", "nas_bench_graph", "mobile", "sketch"]
    assert done.stdout.splitlines() == ["|none~ False", f"512 {spaces}"]
    assert "the cell family lost is left out" in done.stderr


# --- nobody asks which family it is ----------------------------------------------------------------------------------
def test_families_are_asked_and_not_told_apart() -> None:
    root = Path(lapt.__file__).parents[1]
    for package in ("lapt", "storage", "tasks", "flows"):
        for path in (root / package).rglob("*.py"):
            name, text = path.relative_to(root).as_posix(), path.read_text()
            if name.startswith(("lapt/spaces/", "lapt/families/")):
                continue
            assert not re.search(rf"isinstance\([^)]*\b({FAMILY_CLASSES})\b", text), f"{name} asks for a class of cells"
            imports = re.search(r"^ *(from|import) lapt\.families", text, re.MULTILINE)
            assert name in KNOW_ONE_BENCHMARK or not imports, f"{name} imports a family"


def test_a_whole_space_is_made_of_any_family(space: SearchSpace) -> None:
    assert whole_of(space.family) == space
    with pytest.raises(LaptError):
        whole_of(FAMILIES["sketches"])
