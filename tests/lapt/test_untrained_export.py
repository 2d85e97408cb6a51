"""Untrained networks of runs on tables: in their benchmark's size, as Python and as ONNX."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lapt.errors import ConfigError, DataError
from lapt.export.untrained import Untrained
from lapt.spaces import BUILTIN

NAS201 = BUILTIN["nas201"]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def executed(source: bytes) -> dict[str, Any]:
    there: dict[str, Any] = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), there)
    return there


def test_the_source_has_the_size_of_the_benchmark_and_says_that_it_is_not_trained() -> None:
    size = Untrained.of(NAS201, "cifar10")
    source = size.content(NAS201, NAS201.decode(CELL), "python", "Not trained.")
    assert b"\nNot trained.\n" in source
    network = executed(source)["Network"]()
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_288_506  # the table's count
    assert network.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("space", "task", "expected"),
    [
        ("nas201", "imagenet16_120", Untrained(16, 5, 120, (3, 16, 16))),
        ("trans101", "class_scene", Untrained(64, 2, 47, (3, 256, 256))),
        ("darts", "cifar10", Untrained(36, 6)),
    ],
)
def test_sizes_are_the_published_ones(space: str, task: str, expected: Untrained) -> None:
    assert Untrained.of(BUILTIN[space], task) == expected


def test_a_size_may_be_changed_and_is_checked() -> None:
    size = Untrained.of(NAS201, "cifar10", "classes=5, images=1x8x9,cells=1")
    assert size == Untrained(16, 1, 5, (1, 8, 9))
    network = executed(size.content(NAS201, NAS201.decode(CELL), "python", ""))["Network"]()
    assert network.eval()(torch.rand(1, 1, 8, 9)).shape == (1, 5)
    for wrong in ("classes=0", "cells=x", "images=3x32", "images=32", "clases=5", "classes", "classes=2,"):
        with pytest.raises(ConfigError, match="--network"):
            Untrained.of(NAS201, "cifar10", wrong)
    with pytest.raises(DataError, match="at least two classes"):
        size._replace(classes=1).content(NAS201, NAS201.decode(CELL), "python", "")


def test_onnx_computes_what_the_untrained_network_does() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    size = Untrained(4, 1, 3, (3, 8, 8))
    model = size.content(NAS201, NAS201.decode(CELL), "onnx", "")
    session = onnxruntime.InferenceSession(model)
    (output,) = session.run(None, {"images": torch.rand(2, 3, 8, 8).numpy()})
    assert output.shape == (2, 3)
