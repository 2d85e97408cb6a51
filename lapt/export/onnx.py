"""A network as an ONNX model, held against torch before it is handed over."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec

import torch
from torch import nn

from lapt.errors import ConfigError, LaptError
from lapt.inference.card import INPUT, OUTPUT, Card

OPSET = 18
"""The opset that torch's exporter writes without conversion. ONNX Runtime reads it since 1.14."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class ExportError(LaptError):
    """A network that cannot be written down, or a model that does not compute what the network does."""


def onnx_model(
    network: nn.Module, shape: tuple[int, int, int], card: Card | None = None, *, tolerance: float = 1e-4
) -> bytes:
    """The network in evaluation mode as one ONNX file: "images" [batch, C, H, W] -> "output" [batch, ...], float32.

    ``shape``: (C, H, W), fixed in the model; the batch is free. ``card``: the facts for the model's metadata. The
    network stays as it is, mode and device included.

    ONNX Runtime then runs the model on random images, one and three at a time. Raises ExportError when an output is
    further than ``tolerance`` from torch's, or than ``tolerance`` times the largest output where that is above 1
    (rounding grows with it); ConfigError when a package of the extra is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{', '.join(PACKAGES)}, to write ONNX models",
            f"an environment without {' and '.join(missing)}",
            "pip install 'lapt[export]'",
        )
    copy = deepcopy(network).cpu().eval()
    with _quiet():
        # Two images: torch.export takes a batch of one for a constant.
        program = torch.onnx.export(
            copy,
            (torch.zeros(2, *shape),),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    proto = program.model_proto
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]  # the exporter's notes: stack traces with this machine's paths, and more
    for name, text in (card.as_texts if card is not None else {}).items():
        proto.metadata_props.add(key=name, value=text)
    model: bytes = proto.SerializeToString()
    check(model, copy, shape, tolerance)
    return model


def check(model: bytes, network: nn.Module, shape: tuple[int, int, int], tolerance: float) -> None:
    """Run model and network on random images [B, *shape], and compare. Raises ExportError if they differ."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    for batch in (1, 3):
        images = torch.rand(batch, *shape, generator=generator)
        (found,) = session.run(None, {INPUT: images.numpy()})
        with torch.no_grad():
            expected = network(images)
        difference = float((torch.from_numpy(found) - expected).abs().max())
        allowed = tolerance * max(1.0, float(expected.abs().max()))
        if not difference <= allowed:  # NaN too
            raise ExportError(
                f"an ONNX model whose outputs are within {allowed:.1e} of torch's",
                f"a difference of {difference:.1e} for {batch} images",
                "export the Python source instead, or allow a larger tolerance",
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter and its libraries, which warn of their own deprecations and log unchanged parts."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
