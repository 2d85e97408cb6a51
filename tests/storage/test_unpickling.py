"""Pickles of other people's making: read where they are plain data, and never run."""

from __future__ import annotations

import bz2
import os
import pickle
import random
import tracemalloc
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from official_files import (
    SCORES,
    nasbench201,
    natsbench,
    transnas,
    write_natsbench,
    write_packed,
    write_tar,
    write_torch,
)

from lapt.errors import BenchmarkError
from lapt.spaces import BUILTIN
from storage.benchmarks.official import nas201 as official_nas201
from storage.benchmarks.official import transnas as official_transnas
from storage.benchmarks.official.pickled_names import LEFT_OUT
from storage.benchmarks.official.published_files import unheard, unpickled
from storage.benchmarks.official.unpickling import CHUNK, Unpickler, reading

PLAIN: list[Any] = [
    *(None, True, False, 0, 255, 256, 65536, -1, 2**31, -(2**40), 2**200, 0.5, float("inf"), "", "x" * 300, "é\n"),
    *(b"", b"\xff" * 300, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], list(range(2500)), {}, set(), {1, "a"}),
    {("cifar10", 777): {"eval_acc1es": {f"x@{i}": i / 7 for i in range(3000)}}},
    OrderedDict((i, i / 3) for i in range(1500)),
    defaultdict(list, {"a": [1]}),
    *(np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool_(True)),
    [["shared"]] * 3,
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_comes_back(protocol: int) -> None:
    for value in PLAIN:
        assert Unpickler(BytesIO(pickle.dumps(value, protocol))).load() == value
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    if protocol < 5:  # later numpy hands its memory over, which no benchmark does
        assert Unpickler(BytesIO(pickle.dumps(array, protocol))).load() == list(range(6))
    assert Unpickler(BytesIO(pickle.dumps(frozenset({1}), protocol))).load() == {1}


def test_what_is_shared_stays_shared_and_streams_go_on() -> None:
    shared: list[Any] = [1]
    first, second = {"a": shared, "b": shared}, "x" * (CHUNK - 10)
    unpickler = Unpickler(BytesIO(pickle.dumps(first, 2) + pickle.dumps(second, 2) + pickle.dumps(3, 4)))
    found = unpickler.load()
    assert found == first
    assert found["a"] is found["b"]
    assert (unpickler.load(), unpickler.load()) == (second, 3)


def test_tensors_are_left_out(tmp_path: Path) -> None:
    content = {"weights": torch.ones(3), "parameter": torch.nn.Parameter(torch.ones(2)), "score": 1.5}
    for old in (True, False):
        found = unpickled(write_torch(content, tmp_path / "made.pth", old=old), unheard)
        assert found == {"weights": LEFT_OUT, "parameter": LEFT_OUT, "score": 1.5}


# --- what runs nothing -----------------------------------------------------------------------------------------------
class Attack:
    """Pickled, it is a call."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.called = (called, arguments)

    def __reduce__(self) -> Any:
        return self.called


def attacks(marker: Path) -> dict[str, bytes]:
    command = f"touch {marker}"
    calls = {
        "posix.system": Attack(os.system, command),
        "__builtin__.eval": Attack(eval, f"open({str(marker)!r}, 'w')"),
        "__builtin__.getattr": Attack(getattr, "x", "upper"),
        "numpy.load": Attack(np.load, str(marker)),
        "torch.serialization.load": Attack(torch.load, str(marker)),
    }
    found = {name: pickle.dumps({"meta_archs": [], "arch2infos": {0: call}}, 2) for name, call in calls.items()}
    return found | {
        "os.system": b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.",
        "builtins.exec": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R.",
        r"'a\\n\.b'": b"\x80\x04\x8c\x02a\n\x8c\x01b\x93)R.",
        "collections.OrderedDict.fromkeys": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93)R.",
    }


@pytest.mark.parametrize("name", attacks(Path("marker")))
def test_no_pickle_runs_anything(tmp_path: Path, name: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "made.pth"
    content = attacks(marker)[name]
    path.write_bytes(content if content.startswith(b"\x80") else b"\x80\x02" + content)
    with pytest.raises(BenchmarkError, match=rf"names {name}, which is never run here; do not trust this file"):
        unpickled(path, unheard)
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("made/data.pkl", path.read_bytes())
    with pytest.raises(BenchmarkError, match=name):
        unpickled(tmp_path / "made.zip", unheard)
    (tmp_path / "made.pbz2").write_bytes(bz2.compress(path.read_bytes()))
    with pytest.raises(BenchmarkError, match=name):
        unpickled(tmp_path / "made.pbz2", unheard)
    assert not marker.exists()


DAMAGED = {
    "a call of a text": b"\x80\x02X\x01\x00\x00\x00x)R.",
    "a name called that is no function": b"\x80\x02cnumpy\nndarray\n)R.",
    "a table as long as somebody says": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "a text as long as somebody says": b"\x80\x02X\xff\xff\xff\x7fx.",
    "bytes as long as somebody says": b"\x80\x02B\xff\xff\xff\x7fx.",
    "nothing on the stack": b"\x80\x02.",
    "no end": b"\x80\x02]",
    "a list as a key": b"\x80\x02}]Ns.",
    "a nested tuple as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "a nested tuple in a set": b"\x80\x04\x8f()" + b"\x85" * 100_000 + b"\x90.",
    "items of a number": b"\x80\x02K\x01K\x02K\x03s.",
    "an odd item": b"\x80\x02}(K\x01u.",
    "objects that belong to nothing": b"\x80\x02" + b"N" * 1_200_000 + b".",
    "an object array": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R.",
    "a class": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a name that is no text": b"\x80\x04]K\x01\x93.",
    "a nested tuple as byte order": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R(K\x03)"
    + b"\x85" * 100_000
    + b"tb.",
    "wrong text": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "a name without an end": b"\x80\x02c" + b"x" * 2000,
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_pickles_are_refused_in_one_line(tmp_path: Path, what: str) -> None:
    path = tmp_path / "made.pth"
    path.write_bytes(DAMAGED[what])
    with pytest.raises(BenchmarkError, match=r"a whole benchmark file at .*download it again") as raised:
        unpickled(path, unheard)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("what", [what for what in DAMAGED if "as long as somebody says" in what])
def test_no_memory_is_taken_on_somebodys_word(tmp_path: Path, what: str) -> None:
    path = tmp_path / "made.pth"
    path.write_bytes(DAMAGED[what])
    tracemalloc.start()
    with pytest.raises(BenchmarkError):
        unpickled(path, unheard)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_bz2_that_grows_without_end(tmp_path: Path) -> None:
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(b"\x80\x04]" + b"Na" * 2_000_000 + b"."))
    assert path.stat().st_size < 1000
    with pytest.raises(BenchmarkError, match="more than 64 times its size"):
        unpickled(path, unheard)


def test_zips_that_are_not_torchs(tmp_path: Path) -> None:
    path, content = tmp_path / "made.pth", pickle.dumps([1], 2)
    for names, compression, named in (
        (["made/other"], zipfile.ZIP_STORED, "a zip without one uncompressed data.pkl"),
        (["a/data.pkl", "b/data.pkl"], zipfile.ZIP_STORED, "a zip without one uncompressed data.pkl"),
        (["made/data.pkl"], zipfile.ZIP_DEFLATED, "a zip without one uncompressed data.pkl"),
        (["made/data.pkl", "../x"], zipfile.ZIP_STORED, "a file outside itself"),
        (["made/data.pkl", "/x"], zipfile.ZIP_STORED, "a file outside itself"),
    ):
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name in names:
                archive.writestr(name, content)
        with pytest.raises(BenchmarkError, match=named):
            unpickled(path, unheard)


# --- what is damaged at random ---------------------------------------------------------------------------------------
SPACE = BUILTIN["nas201"]
ROW = dict.fromkeys([*SCORES.values(), "params_M", "flops_M"], 1.5)


def nas201_file(path: Path, form: str) -> Path:
    cells = [SPACE.encode(cell) for cell, _ in zip(SPACE.members(), range(2), strict=False)]
    trained = [(cell, {777: ROW}) for cell in cells]
    if form == "tar":
        return write_tar(write_natsbench(trained, path.with_suffix(""), full=False), path)
    meta, files = natsbench(trained, full=False)
    if form.startswith("bz2"):
        return write_packed({**meta, "arch2infos": dict(enumerate(files))}, path)
    return write_torch(nasbench201(trained, full=False), path, old=form == "old pth")


def transnas_file(path: Path, form: str) -> Path:
    return write_torch(transnas(["64-41414-1_11_111"], ["64-4111-basic"]), path, old=form == "old pth")


Reader = Callable[[Path], object]
FUZZED: dict[str, tuple[Callable[[Path, str], Path], Reader]] = {
    form: (nas201_file, lambda path: official_nas201.read(path, unheard))
    for form in ("old pth", "zip", "bz2", "bz2 of a mutated pickle", "tar")
} | {
    "transnas old pth": (transnas_file, lambda path: official_transnas.read("micro", path, unheard)),
    "transnas zip": (transnas_file, lambda path: official_transnas.read("macro", path, unheard)),
}


def mutated(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bits flipped, the end cut, or pieces of the file or of an attack put elsewhere."""
    changed = bytearray(content)
    kind = rng.choice(["flip", "flip", "cut", "splice", "attack"])
    if kind == "flip":
        for _ in range(rng.choice([1, 2, 8, 64])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[rng.randrange(len(changed)) :]
    else:
        source = content if kind == "splice" else other
        start, length = rng.randrange(len(source)), rng.choice([1, 5, 50, 500])
        at = rng.randrange(len(changed))
        piece = source[start : start + length] if kind == "splice" else other
        changed[at : at + rng.choice([0, len(piece)])] = piece
    return bytes(changed)


@pytest.mark.parametrize("form", FUZZED)
def test_500_mutated_files_are_read_or_refused(tmp_path: Path, form: str) -> None:
    write, read = FUZZED[form]
    content = write(tmp_path / "made.tar", form.removeprefix("transnas ")).read_bytes()
    packed = form == "bz2 of a mutated pickle"
    content = bz2.decompress(content) if packed else content
    marker, rng = tmp_path / "marker", random.Random(form)
    attack = pickle.dumps(Attack(os.system, f"touch {marker}"), 2)[2:-1]
    path, said = tmp_path / "mutated", []
    for _ in range(500):
        changed = mutated(content, attack, rng)
        path.write_bytes(bz2.compress(changed) if packed else changed)
        try:
            read(path)
        except BenchmarkError as error:
            said.append(str(error))
    assert len(said) > 100
    assert not [text for text in said if "\n" in text or len(text) > 1000]
    assert not marker.exists()


def test_the_attack_of_the_mutated_files_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Attack(os.system, f"touch {tmp_path / 'marker'}"), 2))
    assert (tmp_path / "marker").exists()


def test_other_errors_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), reading(tmp_path):
        raise KeyboardInterrupt
    with pytest.raises(BenchmarkError, match="got Permission denied; "), reading(tmp_path):
        raise PermissionError(13, "Permission denied")
