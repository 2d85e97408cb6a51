"""A surrogate's folder is checked, copied, listed and loaded; what is wrong with it is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lapt.errors import BenchmarkError
from storage.benchmarks.surrogates import import_surrogate, list_surrogates, load_surrogate
from storage.benchmarks.tables import list_benchmarks
from storage.store import BrokenFileWarning


@pytest.fixture
def folder(real_surrogate: Path, tmp_path: Path) -> Path:
    """The real files under the names that they come with."""
    there = tmp_path / "given"
    there.mkdir()
    imported = real_surrogate / "surrogates" / "nb301"
    shutil.copy(imported / "model.onnx", there / "nb301_val_acc_runtime.onnx")
    shutil.copy(imported / "encoding.json", there / "encoding.json")
    return there


def recoded(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    codes = json.loads((folder / "encoding.json").read_text())
    change(codes)
    (folder / "encoding.json").write_text(json.dumps(codes))


def test_it_is_copied_listed_and_loaded(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    info = import_surrogate(folder, data=data)
    assert (info.name, info.space, info.replaced) == ("nb301", "darts7", None)
    assert info.known_validation == pytest.approx(95.46, abs=0.01)
    assert list_surrogates(data) == [info]
    assert "nb301" not in {known.name for known in list_benchmarks(data)}
    shutil.rmtree(folder)
    assert load_surrogate("nb301", data).checksum == info.checksum


def test_the_order_of_the_file_of_codes_does_not_count(folder: Path, tmp_path: Path) -> None:
    first = import_surrogate(folder, data=tmp_path / "data")
    codes = json.loads((folder / "encoding.json").read_text())
    (folder / "encoding.json").write_text(json.dumps(dict(reversed(codes.items())), indent=1))
    again = import_surrogate(folder, data=tmp_path / "data")
    assert (again.checksum, again.replaced, again.unchanged) == (first.checksum, None, True)


def test_another_of_the_name_is_left_as_it_is_unless_it_is_to_be_replaced(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = import_surrogate(folder, data=data)

    def two_swapped(codes: dict[str, Any]) -> None:
        first = next(iter(codes.values()))
        first["max_pool_3x3"], first["avg_pool_3x3"] = first["avg_pool_3x3"], first["max_pool_3x3"]

    recoded(folder, two_swapped)
    with pytest.raises(BenchmarkError, match=f"no other surrogate .*{first.checksum[:12]}; .*--replace"):
        import_surrogate(folder, data=data)
    assert list_surrogates(data) == [first]
    again = import_surrogate(folder, data=data, replace=True)
    assert (again.replaced, again.unchanged) == (first.checksum[:12], False)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda codes: codes.popitem(), "inputs_node_reduce_5'] missing"),
        (lambda codes: codes.update(width={"16": 0}), "'width'] beside them"),
        (lambda codes: next(iter(codes.values())).update(none=8), "edge_normal_0"),
        (lambda codes: next(iter(codes.values())).update(skip_connect=8), "codes 0 to 7"),
    ],
)
def test_other_codes_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    recoded(folder, change)
    with pytest.raises(BenchmarkError) as caught:
        import_surrogate(folder, data=tmp_path / "data")
    assert named in str(caught.value)
    assert list_surrogates(tmp_path / "data") == []


def test_a_model_that_is_none_or_not_the_only_one_is_refused(folder: Path, tmp_path: Path) -> None:
    (model,) = folder.glob("*.onnx")
    shutil.copy(model, folder / "other.onnx")
    with pytest.raises(BenchmarkError, match=r"one \.onnx file"):
        import_surrogate(folder, data=tmp_path / "data")
    (folder / "other.onnx").unlink()
    model.write_bytes(model.read_bytes()[:1000])
    with pytest.raises(BenchmarkError, match="an ONNX model"):
        import_surrogate(folder, data=tmp_path / "data")
    with pytest.raises(BenchmarkError, match="it is no folder"):
        import_surrogate(model, data=tmp_path / "data")


def test_a_copy_that_was_changed_or_is_broken_is_not_used(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    import_surrogate(folder, data=data)
    copy = data / "surrogates" / "nb301"
    with (copy / "model.onnx").open("ab") as model:
        model.write(b"\0")
    with pytest.raises(BenchmarkError, match="lapt benchmark import surrogate FOLDER"):
        load_surrogate("nb301", data)
    (copy / "info.json").write_text("{")
    with pytest.warns(BrokenFileWarning, match=r"info\.json"):
        assert list_surrogates(data) == []


def test_one_that_is_not_there_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"got no surrogate; import it: lapt benchmark import surrogate FOLDER"):
        load_surrogate("nb301", tmp_path)
