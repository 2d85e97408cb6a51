"""From an evaluation back to what was read: its refined space, the principles, the architectures behind them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.embedded import run_embedded
from flows.running.progress import Listener
from lapt.errors import StoreError
from lapt.pipeline.config import Execution, load_pipeline
from lapt.principles import Principles
from storage.runs.record import architectures_read, stated_principles
from storage.sql.query import query
from storage.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    address = str(tmp_path_factory.mktemp("lineage"))
    pipeline = load_pipeline("invented", ["targets=[invented_a]", "search.population_size=4", "controls=[]"])
    run_embedded(pipeline, Execution(store=address), Listener())
    return Store(address)


def test_every_evaluation_names_its_space_and_the_principles_that_made_it(store: Store) -> None:
    rows = query(store, "SELECT * FROM lineage WHERE task = 'invented_a'").to_pylist()
    assert len(rows) == 16
    learned = query(store, "SELECT principles_id FROM principles WHERE step = 'learn'").to_pylist()[0]["principles_id"]
    assert {row["principles_id"] for row in rows if row["iteration"] == 1} == {learned}
    for row in rows:
        assert row["subspace_id"]
        assert row["statements"]
        assert row["size"] > 0
        assert row["iteration"] == 1 or row["parent"]


def test_the_architectures_that_were_read_can_be_found_again(store: Store) -> None:
    for row in stated_principles(store):
        principles = Principles.model_validate_json(row["body"])
        if row["step"] == "explore":
            continue  # it reads principles, and keeps the origin of those it extends
        read = architectures_read(store, principles)
        for count in principles.counts:
            if count.task == principles.origin.task:
                position = [f"{a}" for a in ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")].index(count.layer)
                chosen = [(a.operators if count.kind == "operator" else a.sources)[position] for a in read]
                assert chosen.count(count.candidate) == count.count
    changed = principles.model_copy(update={"origin": principles.origin.model_copy(update={"archive": "0" * 12})})
    with pytest.raises(StoreError, match="drawn from"):
        architectures_read(store, changed)


def test_experts_on_the_command_line(store: Store) -> None:
    learned = next(row["principles_id"] for row in stated_principles(store) if row["step"] == "learn")
    shown = CliRunner().invoke(app, ["principles", "experts", learned[:8], "--store", store.address])
    assert "The input skips straight to the output" in shown.output
    assert "of the space; " in shown.output
    as_json = CliRunner().invoke(app, ["principles", "experts", learned, "--store", store.address, "--json"])
    rows = json.loads(as_json.stdout)
    assert len(rows) == 7
    assert all(0 <= row["support"] <= 1 for row in rows)
    grounds = CliRunner().invoke(app, ["principles", "show", learned, "--store", store.address])
    assert "40% at random" in grounds.output
