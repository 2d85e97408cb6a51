"""Studies of reasoners, with a real server that speaks the language models' protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply, Request, serving, valid

from flows.studies import STUDIES, Comparison, entrants_of, prepared
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import Entrant
from flows.studies.published import TABLE_3, Published
from flows.studies.rows import Row, StudyResult
from flows.studies.show.tables import tables
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.reasoning.endpoint.calls import AwaitingReply
from lapt.testing import invented_table
from storage.runs.replies import waiting
from storage.store import Store

SMALL = [
    "source={task: invented_source, archive: {strategy: top, size: 50}}",
    "targets=[invented_b]",
    "search.population_size=4",
    "adaptation.iterations=2",
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "nobody's")
    with serving() as running:
        yield running


def chat(server: OpenAIServer | None, *overrides: str, model: str = "chat:openai:wise") -> Pipeline:
    url = server.url if server else "http://127.0.0.1:9/v1"
    address = [] if model == "chat:manual" else [f"reasoner.base_url={url}", "reasoner.tries=1"]
    return load_pipeline("invented", [*SMALL, *address, "reasoner.max_operators=5", *overrides], model)


def entrants(study: str, *named: Pipeline, draws: int = 2) -> tuple[Entrant, ...]:
    return STUDIES[study].entrants(load_pipeline("invented", SMALL), named, draws)


def compared(
    store: Path, entrants: Sequence[Entrant], *, seeds: int = 2, processes: int = 1, **execution: Any
) -> StudyResult:
    settings = Execution(store=str(store), processes=processes, **execution)
    return Comparison("a study", entrants, seeds=seeds, execution=settings).run()


def figures(result: StudyResult, quantity: str) -> dict[str, Row]:
    return {
        ", ".join(part for part in row.who if part): row
        for row in result.rows
        if row.quantity == quantity and row.target != "mean"
    }


@pytest.mark.integration
def test_reasoners_are_compared_draw_by_draw_and_a_replay_gives_the_same_rows(
    server: OpenAIServer, tmp_path: Path
) -> None:
    named = chat(server)
    first = compared(tmp_path, entrants("reasoners", named))
    ranks = figures(first, "rank")
    of_lapt = ("patterns", "frequency", "random", "chat:openai:wise", "patterns+chat:openai:wise")
    assert set(ranks) == {
        "direct, chat:openai:wise",
        *(f"lapt-rea, {reasoner}{variant}" for reasoner in of_lapt for variant in ("", ", without adaptation")),
    }
    assert not first.failures
    of_model = ranks["lapt-rea, chat:openai:wise"]
    assert (of_model.draws, of_model.seeds) == (2, 2)
    assert of_model.sd_draws is not None
    assert of_model.sd_search is not None
    assert ranks["lapt-rea, frequency"].draws == 1
    assert ranks["direct, chat:openai:wise"].seeds == 1
    asked = len(server.requests)
    again = compared(tmp_path, entrants("reasoners", named), processes=1, replies="replay")
    assert len(server.requests) == asked
    assert again.rows == first.rows


def test_a_draw_says_the_same_to_every_seed_and_draws_are_asked_apart(server: OpenAIServer, tmp_path: Path) -> None:
    named = chat(server, "adaptation.iterations=1")
    model = [e for e in entrants("reasoners", named, draws=3) if e.reasoner == "chat:openai:wise"][:1]
    compared(tmp_path, model, seeds=3)
    learned = [r for r in server.requests if "State general design principles" in r.said[-1][1]]
    assert len(learned) == 3


def test_a_model_that_cannot_be_asked_is_named_and_the_others_are_compared(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.answer_to = lambda request: Reply.error(401, "wrong key")  # type: ignore[method-assign]
    result = compared(tmp_path, entrants("reasoners", chat(server)))
    asked = {failure.split(":")[0] for failure in result.failures}
    assert asked == {"lapt-rea, chat", "lapt-rea, patterns+chat", "direct, chat"}
    assert all("401" in failure for failure in result.failures)
    compared_names = {name.split(", ")[1] for name in figures(result, "rank")}
    assert compared_names == {"patterns", "frequency", "random"}


def test_a_spent_budget_is_a_failure_of_that_model(server: OpenAIServer, tmp_path: Path) -> None:
    model = [e for e in entrants("reasoners", chat(server, "reasoner.budget.calls=1")) if e.method == "direct"]
    result = compared(tmp_path, model)
    assert "at most 1 calls of the language model" in result.failures[0]


@pytest.mark.integration
def test_stand_ins_are_counted(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer_to = lambda request: Reply("no JSON at all")  # type: ignore[method-assign]
    named = chat(server, "reasoner.on_invalid=frequency", "reasoner.repairs=0", "reasoner.max_operators=2")
    result = compared(tmp_path, entrants("reasoners", named))
    assert not result.failures
    stood_in = {name: row.mean for name, row in figures(result, "stood_in").items()}
    assert stood_in["lapt-rea, chat:openai:wise"] == 1
    assert stood_in["direct, chat:openai:wise"] == 1
    assert stood_in["lapt-rea, frequency"] == 0
    ranks = figures(result, "rank")
    assert ranks["lapt-rea, chat:openai:wise"].mean == ranks["lapt-rea, frequency"].mean


@pytest.mark.integration
def test_a_study_by_hand_writes_every_prompt_and_goes_on_when_they_are_answered(tmp_path: Path) -> None:
    named = chat(None, "adaptation.iterations=1", model="chat:manual")
    study = entrants("reasoners", named, draws=2)
    with pytest.raises(AwaitingReply, match="lapt reasoner waiting lists them"):
        compared(tmp_path, study)
    store, rounds = Store(str(tmp_path)), 0
    first = waiting(store)
    assert len(first) == 4  # what each of two draws learns, and its first architectures
    while unanswered := waiting(store):
        rounds += 1
        assert rounds < 9
        for prompt in unanswered:
            page = store.files.read(f"manual/{prompt}.prompt.md").decode()
            schema = json.loads(page.rsplit("```json", 1)[1].split("```")[0])
            store.files.write(f"manual/{prompt}.reply.txt", json.dumps(valid(schema)).encode())
        try:
            result = compared(tmp_path, study)
        except AwaitingReply:
            continue
    assert not result.failures
    assert "direct, chat:manual" in figures(result, "rank")


def knows(request: Request) -> Reply:
    """A model that reads nothing and always says the same, if it is told the names; else it keeps everything."""
    said = valid(request.schema)
    text = json.dumps(said)
    if "nor_conv_3x3" in text and "principles" in said:
        layers = request.schema["properties"]["principles"]["items"]["properties"]["layers"]["items"]["enum"]
        principle = {"statement": "3x3.", "layers": layers, "operators": ["nor_conv_3x3"], "effect": "keep"}
        return Reply(json.dumps({"principles": [{**principle, "rationale": ""}]}))
    if "nor_conv_3x3" in text and "layers" in said:
        layers = request.schema["properties"]["layers"]["items"]["properties"]["layer"]["enum"]
        return Reply(json.dumps({"layers": [{"layer": name, "operators": ["nor_conv_3x3"]} for name in layers]}))
    return Reply(text)


def test_who_knows_the_benchmark_does_not_mind_the_archive(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer_to = lambda request: (server.requests.append(request), knows(request))[1]  # type: ignore[method-assign]
    named = chat(server, "adaptation.iterations=1")
    result = compared(tmp_path, entrants("contamination", named), seeds=1)
    assert not result.failures
    ranks = {name: row.mean for name, row in figures(result, "rank").items()}
    of_model = [rank for name, rank in ranks.items() if "wise, archive" in name]
    assert len(of_model) == 3
    assert len({*of_model}) == 1
    counting = {name: rank for name, rank in ranks.items() if "frequency" in name}
    best, worst = "lapt-rea, frequency, archive of the best", "lapt-rea, frequency, archive of the worst 50"
    assert counting[worst] > counting[best]
    support = {name: row.mean for name, row in figures(result, "support").items()}
    name = "lapt-rea, chat:openai:wise, archive of the"
    assert support[f"{name} worst 50"] < support[f"{name} best"]
    assert {row.variant for row in result.rows if row.variant and "hidden" in row.variant} == {
        "names hidden",
        "names hidden, archive of the worst 50",
    }
    hidden = [r.said[-1][1] for r in server.requests if "token1" in r.said[-1][1]]
    assert hidden
    for prompt in hidden:
        for name in ("nor_conv", "avg_pool", "skip_connect", "0->1", "invented", "class ", "15,625"):
            assert name not in prompt


PARTS: dict[str, Callable[[str], bool]] = {
    "without code": lambda prompt: "class " not in prompt,
    "without meanings": lambda prompt: "What the operators compute" not in prompt,
    "without paths": lambda prompt: "Paths from the input" not in prompt,
    "without functions": lambda prompt: "different functions" not in prompt,
    "without counts": lambda prompt: "How often each layer" not in prompt,
    "without tasks": lambda prompt: "invented_source" not in prompt,
    "without dead": lambda prompt: "dead:" not in prompt,
}


def test_prompts_leaves_out_one_part_at_a_time(server: OpenAIServer, tmp_path: Path) -> None:
    archive = "source={task: invented_source, archive: {strategy: random, size: 60, samples: 60}}"
    found = entrants("prompts", chat(server, archive))
    assert [e.variant for e in found if e.variant] == [
        "every part",
        *(f"without {part}" for part in ("code", "meanings", "paths", "dead", "functions", "tasks", "counts")),
        "without any",
        "names hidden",
    ]
    for entrant in found:
        if entrant.variant is None:
            continue
        server.requests.clear()
        bench = Bench(entrant.pipeline, Execution(store=str(tmp_path)), 0)
        bench.steps(0).learn(bench.archive(0))
        prompt = server.requests[0].said[-1][1]
        for variant, absent in PARTS.items():
            counted = variant in ("without functions", "without counts")  # needs no name
            expected = entrant.variant in (variant, "without any") or (
                entrant.variant == "names hidden" and not counted
            )
            assert absent(prompt) == expected, (entrant.variant, variant)


def test_the_parts_that_are_left_out_are_those_of_the_form(server: OpenAIServer, tmp_path: Path) -> None:
    found = entrants("prompts", chat(server, "reasoner.prompt.form=conditions", "adaptation.iterations=1"))
    older = ("code", "meanings", "paths", "dead", "functions", "tasks", "counts")
    newer = ("usage", "live", "rates", "poor", "scores", "tried")
    assert [e.variant for e in found if e.variant] == [
        "every part",
        *(f"without {part}" for part in (*older, *newer)),
        "without any",
        "names hidden",
    ]
    result = compared(tmp_path, tuple(e for e in found if e.variant in ("every part", "without any", "names hidden")))
    assert not result.failures
    assert {call["prompt_name"] for call in Store(str(tmp_path)).read("reasoner_calls").to_pylist()} == {
        "conditions/learn",
        "conditions/translate",
    }


@pytest.mark.integration
def test_a_model_proposes_architectures_in_either_form(server: OpenAIServer, tmp_path: Path) -> None:
    named = chat(server, "reasoner.prompt.form=conditions", "adaptation.iterations=1")
    result = compared(tmp_path, entrants("reasoners", named))
    assert not result.failures
    assert "direct, chat:openai:wise" in figures(result, "rank")
    assert "conditions/propose" in {
        call["prompt_name"] for call in Store(str(tmp_path)).read("reasoner_calls").to_pylist()
    }


def test_studies_of_a_model_need_one_and_table_2_takes_one() -> None:
    for study in ("contamination", "prompts"):
        with pytest.raises(ConfigError, match="--reasoner chat:"):
            entrants(study)
    with pytest.raises(ConfigError, match="one reasoner"):
        entrants("nas201", chat(None), chat(None))


def test_a_worst_archive_is_the_other_end(tmp_path: Path) -> None:
    pipeline = load_pipeline("invented", [*SMALL, "source.archive.strategy=worst", "source.archive.size=7"])
    best = load_pipeline("invented", [*SMALL, "source.archive.size=15000"])
    low, high = (Bench(p, Execution(store=str(tmp_path))).archive(0) for p in (pipeline, best))
    assert len(low.entries) == 7
    assert low.entries[0].score >= low.entries[-1].score
    assert max(e.score for e in low.entries) <= min(e.score for e in high.entries)


def test_a_bootstrap_archive_is_another_for_every_seed(tmp_path: Path) -> None:
    """Each of as many as the best that it is drawn from, best first, some twice: 63 % of 50 differ on average."""
    declared = load_pipeline("invented", [*SMALL, "source.archive.size=50"])
    best = {e.architecture for e in Bench(declared, Execution(store=str(tmp_path))).archive(0).entries}
    pipeline = load_pipeline("invented", [*SMALL, "source.archive={strategy: bootstrap, size: 50}"])
    drawn = [Bench(pipeline, Execution(store=str(tmp_path))).archive(seed) for seed in range(5)]
    for archive in drawn:
        architectures = [e.architecture for e in archive.entries]
        assert len(architectures) == 50
        assert set(architectures) <= best
        assert 20 < len(set(architectures)) < 43
        assert len(archive.asked) == len(set(architectures))
        scores = [e.score for e in archive.entries]
        assert scores == sorted(scores, reverse=True)
    assert len({archive.digest for archive in drawn}) == 5


def test_a_reasoner_without_chance_is_also_read_from_resampled_archives(tmp_path: Path) -> None:
    known = STUDIES["trans101"].entrants(load_pipeline("invented", [*SMALL, "reasoner={kind: frequency}"]), [], 1)
    two = [entrant for entrant in known if entrant.method == "lapt-rea"]
    assert [entrant.variant for entrant in two] == [None, "archives resampled"]
    assert [entrant.pipeline.source.archive.drawn for entrant in two] == [False, True]


def test_resampled_archives_are_asked_for_and_have_no_published_row_beside_them(tmp_path: Path) -> None:
    declared, settings = load_pipeline("invented", SMALL), Execution(store=str(tmp_path), processes=1)
    asked: dict[str, Any] = {"draws": 1, "execution": settings, "seeds": 2, "methods": ["lapt-rea", "rea"]}
    assert all(entrant.variant is None for entrant in prepared("trans101", declared, [], **asked).entrants)
    comparison = prepared("trans101", declared, [], resampled=True, **asked)
    assert isinstance(comparison, Comparison)
    assert not comparison.published  # of another benchmark
    comparison.published = TABLE_3.rows
    study = comparison.run()
    rows = [row for row in study.rows if (row.method, row.target, row.quantity) == ("lapt-rea", "mean", "rank")]
    means = {row.variant: row for row in rows}
    assert (means[None].published, means["archives resampled"].published) == ("12.3", None)
    with pytest.raises(ConfigError, match="resampled"):
        prepared("ablation", declared, [], resampled=True, **asked)


# --- methods -------------------------------------------------------------------------------------------------------
def test_any_search_method_can_be_named_alone_and_inside_lapt(tmp_path: Path) -> None:
    declared = load_pipeline("invented", SMALL)
    known = STUDIES["trans101"].entrants(declared, [], 1)
    assert [entrant.method for entrant in known if entrant.default and not entrant.variant] == [
        "lapt-rea", "rea", "random", "source_ranking", "mode", "source_predictor", "random_subspace",
    ]  # fmt: skip
    assert {"gp", "lapt-gp", "local_search", "lapt-random"} <= {entrant.method for entrant in known}
    settings = Execution(store=str(tmp_path), processes=1)
    study = Comparison("s", known, seeds=2, methods=["lapt-local_search", "local_search"], execution=settings)
    rows = {row.method: row for row in study.run().rows if row.quantity == "evaluations"}
    assert {method: row.mean for method, row in rows.items()} == {"lapt-local_search": 12, "local_search": 12}
    long = entrants_of("nas201", declared, [], draws=1)
    assert {entrant.method: entrant.budget for entrant in long if entrant.default}["rea"] == 500


def test_published_ranks_stand_beside_ours(tmp_path: Path) -> None:
    study = STUDIES["trans101"]
    settings = Execution(store=str(tmp_path), processes=1)
    known = study.entrants(load_pipeline("invented", SMALL), [], 1)
    compared = Comparison("s", known, seeds=1, methods=["lapt-rea"], execution=settings, published=TABLE_3.rows).run()
    ranks = {row.method: row for row in compared.rows if row.target == "mean" and row.variant is None}
    assert (ranks["lapt-rea"].published, ranks["arch_graph"].published) == ("12.3", "12.2")
    assert ranks["lapt-rea"].mean is not None
    assert ranks["arch_graph"].mean is None
    assert not any(row.quantity == "printed" for row in compared.rows)  # of other tasks


def test_one_run_without_chance_stands_for_every_seed_from_any_first_one(tmp_path: Path) -> None:
    known = STUDIES["trans101"].entrants(load_pipeline("invented", SMALL), [], 1)
    known = tuple(entrant for entrant in known if entrant.variant is None)
    settings = Execution(store=str(tmp_path), processes=1)

    def difference(method: str, baseline: str) -> Row:
        methods = ["lapt-rea", "source_ranking"]
        run = Comparison("s", known, seeds=2, first=7, execution=settings, methods=methods, baseline=baseline).run()
        found = {row.method: row for row in run.rows if (row.quantity, row.target) == ("rank_difference", "invented_b")}
        return found[method]

    there, back = difference("lapt-rea", "source_ranking"), difference("source_ranking", "lapt-rea")
    assert there.seeds == back.seeds == 2
    assert there.mean == -(back.mean or 0)


def test_figures_of_another_metric_are_shown_as_printed_and_the_best_there_is_beside_them(tmp_path: Path) -> None:
    rows = [
        Published("lapt-rea", "ours", {}, {}, printed={"invented_b": "45.96"}),
        Published("robot", "RoBoT", {}, {}, printed={"invented_b": "rank 1"}, protocol="100 evaluations"),
        Published("best", "Global Best", {}, {}, printed={"invented_b": "46.32"}),
    ]
    known = STUDIES["trans101"].entrants(load_pipeline("invented", SMALL), [], 1)
    settings = Execution(store=str(tmp_path), processes=1)
    compared = Comparison("s", known, seeds=1, methods=["lapt-rea"], execution=settings, published=rows).run()
    printed = {row.method: (row.published, row.mean) for row in compared.rows if row.quantity == "printed"}
    assert printed == {"lapt-rea": ("45.96", None), "robot": ("rank 1", None), "best": ("46.32", None)}
    (best,) = [row for row in compared.rows if row.method == "best" and row.quantity == "validation"]
    assert best.mean == pytest.approx(invented_table().column("invented_b").max())
    (first, *_) = tables(compared)
    shown = {row.cells[0]: row.cells[1:] for row in first.rows}
    assert shown["robot"] == ("not run", "", "", "rank 1")
    assert shown["best"][0] == ""
    assert shown["best"][-1] == "46.32"
    assert "published robot: RoBoT; 100 evaluations" in compared.notes
