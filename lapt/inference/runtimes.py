"""Exports that are opened for use: an ONNX model in ONNX Runtime, or a Python file with its weights in torch."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lapt.errors import ConfigError, printable
from lapt.inference.card import IN_PYTHON, INPUT, Card

Pixels = npt.NDArray[np.float32]
"""Images [B, C, H, W] in the card's range of values."""


class Opened(NamedTuple):
    """An export in memory. ``run``: images to outputs, float32 [B, ...]."""

    card: Card
    run: Callable[[Pixels], npt.NDArray[np.float32]]


def opened(path: Path, weights: Path | None = None) -> Opened:
    """The export at ``path``, an .onnx file or a .py file, whose code runs.

    ``weights``: of a .py file; the .pt file beside it if unset. Raises ConfigError for a file that is no export of
    LAPT, an untrained one, missing weights, and a missing package.
    """
    if not path.is_file():
        raise ConfigError(f"an export at {path}", "no such file", "write one: lapt export RUN")
    if path.suffix.lower() == ".py":
        return _python(path, weights or path.with_suffix(".pt"))
    if path.suffix.lower() == ".onnx":
        if weights is not None:
            raise ConfigError(
                "--weights with a Python file alone", f"{path}", "leave it out: the model has its weights"
            )
        return _onnx(path)
    if path.suffix.lower() == ".pt":
        raise ConfigError(
            "the .onnx or .py file of an export", f"the weights {path}", "name the .py file, and these with --weights"
        )
    raise ConfigError("an export that ends in .onnx or .py", f"{path}", "write one: lapt export RUN")


def _onnx(path: Path) -> Opened:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            "onnxruntime, to run ONNX exports", "an environment without it", "pip install 'lapt[export]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base but this  # noqa: BLE001
        raise ConfigError(
            f"an ONNX model in {path}", printable(f"{error}")[:160], "write it again: lapt export RUN --format onnx"
        ) from None
    card = Card.read_texts(session.get_modelmeta().custom_metadata_map, str(path))
    _check_trained(card, path)

    def run(images: Pixels) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = session.run(None, {INPUT: images})[0]
        return found

    return Opened(card, run)


def _python(path: Path, weights: Path) -> Opened:
    card = Card.read(_constants(path), str(path))
    _check_trained(card, path)
    if not weights.is_file():
        raise ConfigError(
            f"the weights of {path} in {weights}", "no such file", "put them there, or name them with --weights"
        )
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("torch, to run Python exports", "an environment without it", "pip install 'lapt[train]'")
    import torch

    try:
        network = _module(path).load(str(weights))
    except Exception as error:  # of code that is not ours, and of torch for any file  # noqa: BLE001
        said = printable(" ".join(str(error).split()))[:100]
        raise ConfigError(
            f"weights of the network in {path}",
            f"{weights}, which it cannot load ({type(error).__name__}: {said})",
            "write both again: lapt export RUN",
        ) from None

    def run(images: Pixels) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return found

    return Opened(card, run)


def _check_trained(card: Card, path: Path) -> None:
    if not card.trained:
        raise ConfigError(
            f"a trained network in {path}",
            "one that was exported untrained",
            "export what a run trained: lapt export RUN --train",
        )


def _constants(path: Path) -> dict[str, Any]:
    """The facts among the constants of a Python file, which is read and not run. Raises ConfigError."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(
            f"a Python file at {path}", printable(str(error))[:120], "write it again: lapt export RUN"
        ) from None
    found: dict[str, Any] = {"classes": (), "background": "white", "ranges": {}}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id.lower()
            if name in IN_PYTHON:
                found[name] = ast.literal_eval(node.value)
    return found


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("lapt_exported_network", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ beside the user's file
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
