"""The surrogate of NAS-Bench-301: its encoding by hand, and the real model where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.errors import ConfigError
from lapt.evaluation import top
from lapt.evaluators.surrogate import (
    EPOCHS,
    OVERRATED,
    Codes,
    Surrogate,
    SurrogateEvaluator,
    categories,
    columns,
    epoch_of,
)
from lapt.families.darts.family import DARTS
from lapt.pipeline.config import load_pipeline
from lapt.spaces import BUILTIN, Architecture
from storage.benchmarks.surrogates import KNOWN, KNOWN_RANGE, load_surrogate

SPACE = BUILTIN["darts7"]
CODES: Codes = {
    column: {category: code for code, category in enumerate(sorted(categories(column)))} for column in columns()
}


class Reads:
    """Stands where the model's session stands, and answers with the sum of the codes."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, outputs: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.given.append(given)
        return [np.array([[given["x_cat"].sum(), 7.0]], dtype=np.float32)]


def surrogate(session: Reads) -> Surrogate:
    found = Surrogate("sums", "darts7", b"", CODES, "none")
    found.__dict__["session"] = session
    return found


def sampled(seed: int) -> Architecture:
    return SPACE.sample(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def nb301(real_surrogate: Path) -> Surrogate:
    return load_surrogate("nb301", real_surrogate)


def test_the_columns_are_28_edges_by_number_and_what_six_nodes_read() -> None:
    names = [column.rpartition("COLON_")[2] for column in columns()]
    assert names[:3] == ["edge_normal_0", "edge_normal_1", "edge_normal_2"]
    assert names[13:15] == ["edge_normal_13", "edge_reduce_0"]
    assert names[28:] == [f"inputs_node_{kind}_{node}" for kind in ("normal", "reduce") for node in (3, 4, 5)]
    # An edge has one of seven operators or none; node n reads one of n (n - 1) / 2 pairs.
    assert [len(categories(column)) for column in columns()] == [8] * 28 + [4, 7, 11] * 2


def test_darts_second_order_cell_is_encoded_as_by_hand() -> None:
    session = Reads()
    found = surrogate(session).predict(DARTS.cells(SPACE.decode(KNOWN)), 98)
    (given_,) = session.given
    assert found == (float(given_["x_cat"].sum()), 7.0)
    assert given_["x_cat"].shape == (1, 34)
    assert given_["x_cat"].dtype == np.int32
    assert given_["x_cont"].tolist() == [[98.0]]
    said = dict(zip([c.rpartition("COLON_")[2] for c in columns()], given_["x_cat"][0].tolist(), strict=True))
    there = {name: code for name, code in said.items() if code}  # 0: #na#, the first in order
    sep, dil, skip, pool = (
        sorted(categories(columns()[0])).index(operator)
        for operator in ("sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3")
    )
    # Node 2 has the edges 0 and 1, node 3 those from 2, node 4 from 5, node 5 from 9.
    assert {name: code for name, code in there.items() if name.startswith("edge_normal")} == {
        "edge_normal_0": sep, "edge_normal_1": sep, "edge_normal_2": sep, "edge_normal_3": sep,
        "edge_normal_5": skip, "edge_normal_6": sep, "edge_normal_9": skip, "edge_normal_11": dil,
    }  # fmt: skip
    assert there["edge_reduce_4"] == skip  # node 3 reads node 2
    assert there["edge_reduce_5"] == pool  # node 4 reads input 0
    pairs = sorted(categories(columns()[30]))
    assert pairs[there["inputs_node_normal_5"]] == "0_2"
    assert pairs[there["inputs_node_reduce_5"]] == "1_2"


@given(st.integers(0, 2**32 - 1))
def test_a_cell_is_eight_edges_and_three_pairs_a_kind_whatever_the_order_of_its_layers(seed: int) -> None:
    architecture = sampled(seed)
    swapped = Architecture(
        *(tuple(values[at ^ 1] for at in range(len(values))) for values in architecture)  # the layers of every node
    )
    session = Reads()
    for one in (architecture, swapped):
        surrogate(session).predict(DARTS.cells(one), 1)
    first, second = (given_["x_cat"][0] for given_ in session.given)
    assert (first == second).all()
    assert (first[:14] > 0).sum() == (first[14:28] > 0).sum() == 8
    assert (first[28:] > 0).all()


@given(st.integers(0, 2**32 - 1))
def test_a_cell_without_a_convolution_in_its_normal_cell_is_no_measurement(seed: int) -> None:
    architecture = sampled(seed)
    cells = (*(operator if "conv" not in operator else "skip_connect" for operator in architecture.operators[:8]),)
    poor = Architecture((*cells, *architecture.operators[8:]), architecture.sources)
    session = Reads()
    evaluator = SurrogateEvaluator(surrogate(session), SPACE, "cifar10", epoch=98)
    (found,) = evaluator.evaluate([poor])
    assert (found.value, found.error, session.given) == (None, OVERRATED, [])
    assert top([found], 1) == []
    one = Architecture(("dil_conv_3x3", *poor.operators[1:]), poor.sources)
    assert not evaluator.evaluate([one])[0].failed


def test_tasks_are_epochs_and_fingerprints_hold_them() -> None:
    assert [epoch_of(task, 50) for task in ("cifar10", "cifar10_epoch1", "cifar10_epoch98")] == [50, 1, 98]
    for task in ("cifar100", "cifar10_epoch0", "cifar10_epoch99", "cifar10_epoch", "cifar10_epoch010"):
        with pytest.raises(ConfigError, match="cifar10_epoch98"):
            epoch_of(task, 98)
    at = {
        (task, epoch): SurrogateEvaluator(surrogate(Reads()), SPACE, task, epoch=epoch).fingerprint
        for task, epoch in (("cifar10", 98), ("cifar10", 50), ("cifar10_epoch50", 98))
    }
    assert at["cifar10", 50] == at["cifar10_epoch50", 98] != at["cifar10", 98]


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="say space: darts7"):
        SurrogateEvaluator(surrogate(Reads()), BUILTIN["nas201"], "cifar10", epoch=98)


def test_a_pipeline_may_not_name_an_epoch_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="less than or equal to 98"):
        load_pipeline("darts_surrogate", ["evaluator.epoch=99"])


def test_without_onnxruntime_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    evaluator = SurrogateEvaluator(Surrogate("none", "darts7", b"", CODES, ""), SPACE, "cifar10", epoch=98)
    with pytest.raises(ConfigError, match=r"pip install 'lapt\[surrogate\]'"):
        evaluator.evaluate([SPACE.decode(KNOWN)])


# --- the real model -------------------------------------------------------------------------------------------------
def test_longer_training_is_better_and_takes_longer(nb301: Surrogate) -> None:
    known = SPACE.decode(KNOWN)
    evaluators = [SurrogateEvaluator(nb301, SPACE, f"cifar10_epoch{epoch}", epoch=98) for epoch in (1, 10, 50, 98)]
    found = [evaluator.evaluate([known])[0] for evaluator in evaluators]
    values, seconds = [f.value or 0 for f in found], [f.cost_seconds for f in found]
    assert values == sorted(values)
    assert seconds == sorted(seconds)
    assert KNOWN_RANGE[0] <= values[-1] <= KNOWN_RANGE[1]
    assert found[0].origin == "surrogate"
    assert evaluators[0].test(known) is None


def test_the_model_takes_every_code_and_agrees_with_itself_as_published(nb301: Surrogate) -> None:
    """Spearman's correlation of epoch 10 with epoch 98: 0.88, of epoch 50: 0.99."""
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(1000)]
    scores = {epoch: [nb301.predict(DARTS.cells(cell), epoch)[0] for cell in cells] for epoch in (10, 50, EPOCHS[-1])}
    assert spearmanr(scores[10], scores[98]).statistic == pytest.approx(0.88, abs=0.03)
    assert spearmanr(scores[50], scores[98]).statistic == pytest.approx(0.99, abs=0.02)


def test_edges_by_number_are_the_models_own_order(nb301: Surrogate) -> None:
    """Two numberings of one cell's nodes score alike; they would differ twice as much by any other order of edges."""
    rng = np.random.default_rng(0)
    apart = []
    for _ in range(300):
        cell = SPACE.sample(rng)
        scores = [nb301.predict(DARTS.cells(form), 98)[0] for form in (cell, SPACE.canonical(cell))]
        if SPACE.encode(SPACE.canonical(cell)) != SPACE.encode(cell):
            apart.append(abs(scores[0] - scores[1]))
    assert np.mean(apart) < 0.18
