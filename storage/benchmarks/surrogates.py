"""Surrogates on disk: import of a checked folder, and loading as a model."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from lapt.base.declarations import Frozen
from lapt.base.digests import digest
from lapt.errors import BenchmarkError
from lapt.evaluators.surrogate import EPOCHS, Codes, Surrogate, categories, columns
from lapt.families.darts.family import DARTS
from storage.benchmarks.tables import data_folder
from storage.files import LocalFiles
from storage.store import BrokenFileWarning

KIND = "surrogate"
"""KIND of ``lapt benchmark import``."""
NAME, SPACE = "nb301", "darts7"
"""The one known surrogate: its name in pipelines, and its space."""
KNOWN = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('skip_connect', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))"
)
"""DARTS's second-order cell (Liu et al. 2019)."""
KNOWN_RANGE = (94.0, 96.5)
"""Range of its validation accuracy after all epochs, in %."""

_CODES, _MODEL, _INFO = "encoding.json", "model.onnx", "info.json"
_IMPORT = "lapt benchmark import surrogate FOLDER"


class SurrogateInfo(Frozen):
    """Description of a surrogate in ``lapt benchmark list``.

    ``checksum``: SHA-256 of the model's bytes and the codes. ``known_validation``: its prediction for DARTS's
    second-order cell, in %. ``path``: its folder. ``replaced``: the first 12 digits of the checksum of the surrogate
    that an import replaced. ``unchanged``: an import found the same content there.
    """

    name: str
    kind: Literal["surrogate"] = "surrogate"
    space: str
    checksum: str
    tasks: tuple[str, ...] = ("cifar10", f"cifar10_epoch{EPOCHS[0]} to cifar10_epoch{EPOCHS[-1]}")
    metric: str = "accuracy"
    unit: str = "%"
    known_validation: float
    path: str | None = None
    replaced: str | None = None
    unchanged: bool = False


def import_surrogate(path: str | Path, *, data: str | Path | None = None, replace: bool = False) -> SurrogateInfo:
    """Check a folder with ``encoding.json`` and one ONNX model, and copy both into the data folder.

    Raises BenchmarkError where another one is there already, unless ``replace``; also for a file that is missing, codes
    of other columns or operators, and a model that cannot be read, lacks one of the codes, or scores a known cell
    outside ``KNOWN_RANGE``. Raises ConfigError without onnxruntime, StoreError when the data folder cannot be written.
    """
    folder = Path(path)
    models = sorted(folder.glob("*.onnx"))
    if not (folder / _CODES).is_file() or len(models) != 1:
        raise BenchmarkError(
            f"a folder with {_CODES} and one .onnx file", f"{folder} with {_content(folder)}", "check the path"
        )
    model, written = models[0].read_bytes(), (folder / _CODES).read_bytes()
    surrogate = _surrogate(model, written, folder)
    info = SurrogateInfo(
        name=NAME, space=SPACE, checksum=surrogate.checksum, known_validation=_measured(surrogate, folder)
    )
    target = _folder(NAME, data)
    there = _info_at(target)
    before = None if there is None else there.checksum
    if before not in (None, info.checksum) and not replace:
        raise BenchmarkError(
            f"no other surrogate named {NAME} in {target.parent}",
            f"one with the checksum {before:.12}",
            "name another data folder with LAPT_DATA, or overwrite it with --replace",
        )
    files = LocalFiles(target)
    files.write(_MODEL, model)
    files.write(_CODES, written)
    described = info.model_dump_json(exclude={"path", "replaced", "unchanged"})
    files.write(_INFO, described.encode())  # the last: then it is there
    replaced = None if before in (None, info.checksum) else f"{before:.12}"
    return info.model_copy(update={"path": str(target), "replaced": replaced, "unchanged": before == info.checksum})


def list_surrogates(data: str | Path | None = None) -> list[SurrogateInfo]:
    """The imported surrogates. Warns with BrokenFileWarning of one that cannot be read."""
    found = []
    for path in sorted((data_folder(data) / "surrogates").glob(f"*/{_INFO}")):
        info = _info_at(path.parent)
        if info is None:
            warnings.warn(f"skipped the broken file {path}", BrokenFileWarning, stacklevel=2)
        else:
            found.append(info)
    return found


def load_surrogate(name: str, data: str | Path | None = None) -> Surrogate:
    """The imported surrogate of that name, with its checksum verified.

    Raises BenchmarkError when there is none (it names those that exist and the command to type), or a file is damaged.
    """
    folder = _folder(name, data)
    info = _info_at(folder)
    if info is None:
        there = [known.name for known in list_surrogates(data)]
        raise BenchmarkError(
            f"a surrogate named {name!r} in {folder.parent}", f"{there or 'no surrogate'}", f"import it: {_IMPORT}"
        )
    try:
        model, written = (folder / _MODEL).read_bytes(), (folder / _CODES).read_bytes()
    except OSError as error:
        raise BenchmarkError(f"the files of a surrogate in {folder}", f"{error.strerror}", _IMPORT) from None
    surrogate = _surrogate(model, written, folder)
    if surrogate.checksum != info.checksum:
        raise BenchmarkError(f"content with checksum {info.checksum} in {folder}", "another", _IMPORT)
    return surrogate


def _folder(name: str, data: str | Path | None) -> Path:
    return data_folder(data) / "surrogates" / name


def _content(folder: Path) -> str:
    return f"{sorted(path.name for path in folder.iterdir())}" if folder.is_dir() else "nothing: it is no folder"


def _info_at(folder: Path) -> SurrogateInfo | None:
    try:
        info = SurrogateInfo.model_validate_json((folder / _INFO).read_bytes())
    except (OSError, ValidationError):
        return None
    return info.model_copy(update={"path": str(folder)})


def _surrogate(model: bytes, written: bytes, folder: Path) -> Surrogate:
    codes = _codes(written, folder / _CODES)
    checksum = digest([hashlib.sha256(model).hexdigest(), {name: dict(codes[name]) for name in sorted(codes)}])
    return Surrogate(name=NAME, space=SPACE, model=model, codes=codes, checksum=checksum)


def _codes(written: bytes, path: Path) -> Codes:
    """A mapping for each of the model's columns, from its categories to 0, 1, 2, ..."""
    try:
        codes: Any = json.loads(written)
    except ValueError as error:
        raise BenchmarkError(f"JSON in {path}", f"{error}", "get the file again") from None
    wanted = columns()
    if not isinstance(codes, dict) or set(codes) != set(wanted):
        given = set(codes) if isinstance(codes, dict) else set()
        missing, others = sorted(set(wanted) - given)[:3], sorted(given - set(wanted))[:3]
        raise BenchmarkError(
            f"codes of the {len(wanted)} columns of NAS-Bench-301's DARTS cells in {path}",
            f"{missing} missing, {others} beside them",
            "import the folder of that surrogate",
        )
    for column in wanted:
        expected, given = categories(column), codes[column]
        if not isinstance(given, dict) or set(given) != expected or sorted(given.values()) != list(range(len(given))):
            raise BenchmarkError(
                f"codes 0 to {len(expected) - 1} of {sorted(expected)} for {column} in {path}",
                f"{given}",
                "import the folder of that surrogate",
            )
    return codes


def _measured(surrogate: Surrogate, folder: Path) -> float:
    """The model's prediction for the known cell, after a check that it takes the largest code of every column."""
    remedy = "import a model that goes with the codes"
    last = np.array([[max(surrogate.codes[name].values()) for name in columns()]], dtype=np.int32)
    try:
        surrogate.session.run(None, {"x_cat": last, "x_cont": np.array([[EPOCHS[-1]]], dtype=np.float32)})
        value, seconds = surrogate.predict(DARTS.cells(DARTS.decode(KNOWN)), EPOCHS[-1])
    except BenchmarkError:
        raise
    except Exception as error:  # onnxruntime's errors have no common base but this  # noqa: BLE001
        raise BenchmarkError(
            f"a model in {folder} that takes every code of x_cat [1, {len(columns())}] and x_cont [1, 1]",
            f"{error}".splitlines()[0][:200],
            remedy,
        ) from None
    low, high = KNOWN_RANGE
    if not low <= value <= high or not seconds > 0:
        raise BenchmarkError(
            f"DARTS's second-order cell with {low} to {high} % after {EPOCHS[-1]} epochs, by the model in {folder}",
            f"{value:.2f} % after {seconds:.0f} s",
            remedy,
        )
    return value
