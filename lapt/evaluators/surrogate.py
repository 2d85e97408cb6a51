"""Scores predicted by a fitted model: DARTS cells on CIFAR-10, as in NAS-Bench-301 (Zela et al. 2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lapt.base.statistics import Scores
from lapt.errors import BenchmarkError, ConfigError
from lapt.evaluation import Checkpoints, Evaluation, Metric, Quantity, unknown_quantity
from lapt.families.darts.cell import NODES
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import KINDS, Nodes
from lapt.spaces import Architecture, SearchSpace

EPOCHS = range(1, 99)
"""Epochs of training for which the model predicts scores."""
ABSENT = "#na#"
OVERRATED = (
    "no convolution in the normal cell: the surrogate overrates such cells (0.11 % of darts7), so its score of one is "
    "no measurement"
)

_PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
_OFFSETS = {2: 0, 3: 2, 4: 5, 5: 9}
"""Node -> number of its edge from input 0. Node n has n edges."""
_EDGES = 14
_TASK = re.compile(r"cifar10(?:_epoch([1-9][0-9]?))?")

Codes = Mapping[str, Mapping[str, int]]
"""Column -> category -> its number."""


def columns() -> tuple[str, ...]:
    """The model's 34 categorical inputs in order: the operator of every possible edge, then the inputs of the nodes.

    Edges are in the order of their numbers, 0 to 13, whatever the order of the file of codes. Data confirm that this is
    the model's own order: for 529 random cells with two numberings of their nodes, the two scores differ by 0.13 % of
    accuracy in the mean; with the edges in the order of their names as text, by 0.25 %.
    """
    edges = [f"{_PREFIX}edge_{kind}_{edge}" for kind in KINDS for edge in range(_EDGES)]
    return (*edges, *(f"{_PREFIX}inputs_node_{kind}_{node}" for kind in KINDS for node in NODES[1:]))


def categories(column: str) -> frozenset[str]:
    """The categories of a column of ``columns``. An edge, or an input of a node, may also be absent."""
    name = column.removeprefix(_PREFIX)
    if name.startswith("edge"):
        return frozenset(operator for operator in DARTS.operators if operator != DARTS.zero) | {ABSENT}
    node = int(name[-1])
    return frozenset(f"{one}_{two}" for two in range(node) for one in range(two)) | {ABSENT}


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A fitted model in memory.

    ``model``: ONNX with the inputs ``x_cat`` int32 [1, 34], codes of ``columns``, and ``x_cont`` float32 [1, 1], the
    epoch, and the output [1, 2], validation accuracy in % and training seconds. ``space``: name of the search space.
    ``checksum``: SHA-256 of model and codes.
    """

    name: str
    space: str
    model: bytes
    codes: Codes
    checksum: str

    @cached_property
    def session(self) -> Any:
        """The inference session, with one thread: a prediction takes a tenth of a millisecond.

        Raises ConfigError without onnxruntime, BenchmarkError for a model that cannot be read.
        """
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError(
                "onnxruntime, to score with a surrogate",
                "an environment without it",
                "pip install 'lapt[surrogate]'",
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but this  # noqa: BLE001
            raise BenchmarkError(
                f"an ONNX model as surrogate {self.name}", f"{error}".splitlines()[0][:200], "get the file again"
            ) from None

    def predict(self, cells: tuple[Nodes, Nodes], epoch: int) -> tuple[float, float]:
        """(validation accuracy in %, training seconds) of a normal and a reduction cell after ``epoch`` epochs."""
        given = {"x_cat": self._coded(cells), "x_cont": np.array([[epoch]], dtype=np.float32)}
        ((accuracy, seconds),) = self.session.run(None, given)[0]
        return float(accuracy), float(seconds)

    @cached_property
    def _places(self) -> dict[str, tuple[int, Mapping[str, int]]]:
        """Column without its prefix -> (its position, its codes)."""
        return {name.removeprefix(_PREFIX): (at, self.codes[name]) for at, name in enumerate(columns())}

    @cached_property
    def _absent(self) -> npt.NDArray[np.int32]:
        return np.array([[self.codes[name][ABSENT] for name in columns()]], dtype=np.int32)

    def _coded(self, cells: tuple[Nodes, Nodes]) -> npt.NDArray[np.int32]:
        """Codes of the cells, 1 x 34."""
        coded, places = self._absent.copy(), self._places
        for kind, nodes in zip(KINDS, cells, strict=True):
            for node, edges in zip(NODES, nodes, strict=True):
                for operator, source in edges:
                    at, codes = places[f"edge_{kind}_{_OFFSETS[node] + source}"]
                    coded[0, at] = codes[operator]
                if node != NODES[0]:
                    at, codes = places[f"inputs_node_{kind}_{node}"]
                    coded[0, at] = codes["_".join(str(edge.source) for edge in edges)]
        return coded


class SurrogateEvaluator:
    """Validation accuracy on CIFAR-10 as a surrogate predicts it, after a number of epochs.

    Tasks: ``cifar10``, after ``epoch`` epochs, and ``cifar10_epoch1`` to ``cifar10_epoch98``. A cell is scored as it is
    written: ``identity`` is the string, since the model scores the numberings of one cell differently. A prediction is
    not stored, as a look-up in a table is not. ``cost_seconds`` of an evaluation is the predicted training time, for
    comparisons of fidelities; nobody pays for it now.

    Cells without a convolution in their normal cell come back as failed. The model overrates them (16 layers of
    skip_connect, 94.6 % in the mean, as random cells), and a search would only find its errors.
    """

    metric = Metric("accuracy", "%")

    def __init__(
        self, surrogate: Surrogate, space: SearchSpace, task: str, *, epoch: int, stopped: int | None = None
    ) -> None:
        """``stopped``: the epoch at which trainings of the task are stopped. Raises ConfigError for an unknown task or
        epoch, and for a space that the model does not know."""
        if space.name != surrogate.space or space.family is not DARTS:
            raise ConfigError(
                f"the space {surrogate.space} for surrogate {surrogate.name}",
                space.name,
                f"say space: {surrogate.space}",
            )
        self._surrogate, self._space, self.task = surrogate, space, task
        self.epoch = epoch_of(task, epoch) if stopped is None else stopped

    @property
    def fingerprint(self) -> str:
        return f"surrogate:{self._surrogate.name}:{self._surrogate.checksum}:epoch={self.epoch}"

    def identity(self, architecture: Architecture) -> str:
        return self._space.encode(architecture)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        return [self._evaluated(architecture) for architecture in architectures]

    @property
    def epochs(self) -> int:
        """Epochs after which the task is scored."""
        return self.epoch

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> SurrogateEvaluator:
        """The evaluator of the same task after so many epochs (``lapt.evaluation.Stops``). Nothing is trained."""
        return SurrogateEvaluator(self._surrogate, self._space, self.task, epoch=self.epoch, stopped=epochs)

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """``parameters`` or ``multiply_adds`` of the network in its published final size: 36 channels, 20 layers.

        Raises ConfigError for anything else. (The model predicts the accuracy of a smaller network.)
        """
        if name not in _COUNTS or column is not None:
            raise unknown_quantity(column or name, _COUNTS, f"surrogate {self._surrogate.name}")
        return Quantity(partial(_counted, self._space, _COUNTS.index(name)))

    def test(self, architecture: Architecture) -> float | None:
        """None: the model predicts validation accuracy alone."""
        return None

    def _evaluated(self, architecture: Architecture) -> Evaluation:
        cells, identity = DARTS.cells(architecture), self.identity(architecture)
        if all(edge.operator in DARTS.weightless for node in cells[0] for edge in node):
            return Evaluation(architecture, identity, None, self.metric, origin="surrogate", error=OVERRATED)
        accuracy, seconds = self._surrogate.predict(cells, self.epoch)
        return Evaluation(architecture, identity, accuracy, self.metric, origin="surrogate", cost_seconds=seconds)


_COUNTS = ("parameters", "multiply_adds")


def _counted(space: SearchSpace, at: int, architectures: Sequence[Architecture]) -> Scores:
    """A count of the published network on CIFAR-10, for N architectures."""
    from lapt.networks import counts

    found = [counts(space, one, channels=36, cells=6, classes=10) for one in architectures]
    return np.array([one[at] for one in found], dtype=np.float64)


def epoch_of(task: str, epoch: int) -> int:
    """The epoch of a task, ``epoch`` for plain ``cifar10``. Raises ConfigError for another task."""
    named = _TASK.fullmatch(task)
    found = int(named[1] or epoch) if named else 0
    if found not in EPOCHS:
        raise ConfigError(
            f"the task cifar10, or cifar10_epoch{EPOCHS[0]} to cifar10_epoch{EPOCHS[-1]}, of a surrogate",
            repr(task),
            "name one of them",
        )
    return found
