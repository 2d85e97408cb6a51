"""Exports compute the same as the network: Python source without LAPT, and ONNX models."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lapt.data.images import ImageData
from lapt.errors import ConfigError
from lapt.export import ExportError, onnx_model, python_source
from lapt.export.onnx import check
from lapt.export.weights import with_config
from lapt.networks import backbone
from lapt.spaces import BUILTIN, Architecture
from lapt.training.network import TaskNetwork, build
from lapt.training.tasks import Task, make_task

SPACES = ("nas201", "trans101", "darts", "mobile")
SHAPES = ((1, 8, 8), (3, 9, 9), (3, 48, 48))
TARGETS = {
    "segmentation": lambda n, c, h, w: torch.arange(n * h * w).reshape(n, h, w) % 3,
    "surface_normal": lambda n, c, h, w: torch.rand(n, 3, h, w) * 2 - 1,
    "room_layout": lambda n, c, h, w: torch.rand(n, 5),
    "multilabel": lambda n, c, h, w: (torch.arange(3 * n).reshape(n, 3) % 2).float(),
    "regression": lambda n, c, h, w: torch.rand(n, 2),
}
TASKS = ("classification", "jigsaw", "rotation", "autoencoding", *TARGETS)
ODD_CELLS = (
    ("none",) * 6,
    ("skip_connect",) * 6,
    ("none", "nor_conv_3x3", *["none"] * 4),  # dead, though it has an operator
    ("skip_connect", "none", "nor_conv_3x3", "none", "none", "nor_conv_1x1"),
    ("none", "none", "none", "skip_connect", "none", "none"),
    ("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_1x1", "nor_conv_3x3", "skip_connect"),
)

DARTS_CELLS = [
    Architecture(tuple(pair), BUILTIN["darts"].sample(np.random.default_rng(seed)).sources)
    for seed, pair in enumerate(
        [
            ("none",) * 16,
            ("skip_connect",) * 16,
            ("none", "none", *("skip_connect", "sep_conv_3x3") * 7),  # node 2 of the normal cell is zero
            (*("max_pool_3x3", "none") * 4, *("none", "dil_conv_5x5") * 4),
        ]
    )
]

MOBILE_NETWORKS = [
    BUILTIN["mobile"].decode(text)
    for text in (
        "full/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-",
        "half/wide+se:5e6,-,3e3/wide:3e6,5e6,5e6/medium+se:5e3,3e3,-/wide+se:5e6,-,-",
    )
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def task_of(name: str, shape: tuple[int, int, int], classes: tuple[str, ...] = ("even", "odd")) -> Task:
    images = torch.zeros((4, *shape), dtype=torch.uint8)
    targets = TARGETS[name](4, *shape) if name in TARGETS else None
    return make_task(name, ImageData(images, torch.arange(4) % 2, classes, targets=targets))


def odd_cells(space: str) -> list[Architecture]:
    other = {"darts": DARTS_CELLS, "mobile": MOBILE_NETWORKS}.get(space)
    return other or [BUILTIN[space].family.architecture(cell) for cell in ODD_CELLS]


def cells_of(space: str, count: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [*odd_cells(space), *(BUILTIN[space].sample(rng) for _ in range(count))]


def trained(space: str, cell: Architecture, task: Task, *, cells: int = 1) -> TaskNetwork:
    """With statistics as after training: none is zero or one."""
    channels, size = task.shape[0], task.shape[1:]
    network = build(
        lambda: backbone(BUILTIN[space], cell, channels=4, cells=cells, image_channels=channels, image_size=size),
        task,
        seed=1,
    )
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    network.normalise_by(torch.full((channels,), 0.4), torch.full((channels,), 0.3))
    return network.eval()


def source(space: str, cell: Architecture, task: Task, *, cells: int = 1) -> str:
    return python_source(BUILTIN[space], cell, task, channels=4, cells=cells)


def executed(text: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("space", SPACES)
def test_the_source_rebuilds_the_network(space: str, task: str) -> None:
    """Two odd cells and two random ones for each task: each odd one in several tasks, each task in all shapes."""
    turn, odd = TASKS.index(task), odd_cells(space)
    drawn = [odd[turn % len(odd)], odd[(turn + 1) % len(odd)], *cells_of(space, 2, seed=turn)[len(odd) :]]
    for number, cell in enumerate(drawn):
        posed, cells = task_of(task, SHAPES[(number + turn // 3) % len(SHAPES)]), 1 + number % 2
        network = trained(space, cell, posed, cells=cells)
        rebuilt = executed(source(space, cell, posed, cells=cells))["Network"]().eval()
        rebuilt.load_state_dict(network.state_dict(), strict=True)
        images = torch.rand(2, *posed.shape)
        with torch.no_grad():
            assert rebuilt(images).equal(network(images)), BUILTIN[space].encode(cell)


def test_the_source_has_the_stem_for_larger_images() -> None:
    task, size = task_of("rotation", (3, 64, 64)), {"channels": 4, "cells": 1}
    for cell in cells_of("darts", 2):
        network = build(
            lambda cell=cell: backbone(BUILTIN["darts"], cell, **size, stem="imagenet"), task, seed=1
        ).eval()
        rebuilt = executed(python_source(BUILTIN["darts"], cell, task, **size, stem="imagenet"))["Network"]().eval()
        rebuilt.load_state_dict(network.state_dict(), strict=True)
        images = torch.rand(2, 3, 64, 64)
        with torch.no_grad():
            assert rebuilt(images).equal(network(images))


@pytest.mark.parametrize("space", SPACES)
def test_the_rebuilt_network_starts_from_the_same_weights(space: str) -> None:
    for cell in cells_of(space, 1):
        task = task_of("classification", (3, 9, 9))
        size = {"channels": 4, "cells": 2, "image_size": (9, 9)}
        network = build(lambda cell=cell, size=size: backbone(BUILTIN[space], cell, **size), task, seed=5)
        rebuilt_class = executed(source(space, cell, task, cells=2))["Network"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            rebuilt = rebuilt_class()
        expected, found = network.state_dict(), rebuilt.state_dict()
        assert expected.keys() == found.keys()
        assert all(found[name].equal(tensor) for name, tensor in expected.items())


def test_the_source_is_formatted_and_imports_what_it_uses(tmp_path: Path) -> None:
    for space in SPACES:
        for number, cell in enumerate(cells_of(space, 3)):
            task = task_of(TASKS[number % len(TASKS)], (3, 48, 48))
            (tmp_path / f"{space}_{number}.py").write_text(source(space, cell, task, cells=1 + number % 2))
    for command in (["format", "--check"], ["check", "--select", "E,F,I,B,UP,SIM"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_classes_keep_their_names() -> None:
    names = ('a "b"', "c\\d\n", "\udcff", "ü", *(f"class {number}" for number in range(20)))
    (cell,) = cells_of("nas201", 1)[-1:]
    text = source("nas201", cell, task_of("classification", (3, 8, 8), names))
    assert executed(text)["CLASSES"] == names
    assert text.encode()


def test_the_source_runs_without_lapt(tmp_path: Path) -> None:
    """A process that cannot import LAPT prints the shape and the number of parameters, and loads weights."""
    (cell,) = cells_of("trans101", 1)[-1:]
    task = task_of("segmentation", (3, 48, 48))
    network, text = trained("trans101", cell, task), source("trans101", cell, task)
    assert not [line for line in text.splitlines() if "import" in line and "lapt" in line]
    (tmp_path / "exported.py").write_text(text)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    without = "import runpy, sys; sys.modules['lapt'] = None; sys.argv = sys.argv[1:]; "
    run = "runpy.run_path('exported.py', run_name='__main__')"
    command = [sys.executable, "-I", "-c", without + run, "exported.py", "weights.pt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"output [1, 3, 48, 48], {network.parameter_count} parameters\n", done.stderr
    wrapped = tmp_path / "wrapped.pt"
    wrapped.write_bytes(with_config((tmp_path / "weights.pt").read_bytes(), {"run": "one"}))
    images = torch.rand(1, 3, 48, 48)
    for path in (tmp_path / "weights.pt", wrapped):
        with torch.no_grad():
            assert executed(text)["load"](str(path))(images).equal(network(images))


class Odd(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def test_a_head_that_cannot_be_written_down_is_named() -> None:
    task = task_of("classification", (3, 8, 8))
    task.head = lambda out_channels, reduction: nn.Sequential(nn.Flatten(), Odd())
    with pytest.raises(ExportError, match="as head; got Sequential"):
        source("nas201", cells_of("nas201", 1)[-1], task)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("space", "cell", "task", "shape"),
    [
        ("nas201", cells_of("nas201", 0)[-1], "classification", (3, 9, 9)),
        ("trans101", cells_of("trans101", 0)[-1], "autoencoding", (1, 48, 48)),
        ("nas201", cells_of("nas201", 0)[0], "jigsaw", (3, 48, 48)),
        ("darts", cells_of("darts", 0)[2], "classification", (3, 9, 9)),
        ("mobile", cells_of("mobile", 0)[1], "classification", (3, 48, 48)),
    ],
    ids=["nas201", "trans101", "dead", "darts", "mobile"],
)
def test_an_onnx_model_computes_what_the_network_does(
    space: str,
    cell: Architecture,
    task: str,
    shape: tuple[int, int, int],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    import onnx
    import onnxruntime

    network = trained(space, cell, task_of(task, shape)).train()
    generator = torch.get_rng_state()
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = onnx_model(network, shape)
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")
    assert network.training
    assert torch.get_rng_state().equal(generator)
    assert str(Path.cwd()).encode() not in model
    parsed = onnx.load_from_string(model)
    onnx.checker.check_model(parsed, full_check=True)
    assert [opset.version for opset in parsed.opset_import if not opset.domain] == [18]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    images = torch.rand(5, *shape)
    (found,) = session.run(["output"], {"images": images.numpy()})
    with torch.no_grad():
        assert np.abs(network.eval()(images).numpy() - found).max() < 1e-4


def test_an_onnx_model_that_differs_is_refused() -> None:
    network = trained("nas201", cells_of("nas201", 0)[0], task_of("classification", (3, 8, 8))).eval()
    model = onnx_model(network, (3, 8, 8))
    check(model, network, (3, 8, 8), 1e-4)
    with torch.no_grad():
        list(network.parameters())[-1][0] += 0.01  # one bias
    with pytest.raises(ExportError, match=r"outputs are within 1\.\de-04 of torch's; got a difference of 1\.0e-02"):
        check(model, network, (3, 8, 8), 1e-4)


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"without onnxruntime; pip install 'lapt\[export\]'"):
        onnx_model(nn.Identity(), (3, 8, 8))
