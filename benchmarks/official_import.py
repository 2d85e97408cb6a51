"""Time and memory of the import of a file like NAS-Bench-201-v1_1-096897.pth.

Usage: python benchmarks/official_import.py [ARCHITECTURES]. Writes a file of made numbers in the published format and
density, two seeds a data set (15,625 architectures: 4.5 GB in the temporary folder), and reads it. Aim: under 3 GB.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import resource
import struct
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from storage.benchmarks.official.nas201 import read

SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("ori-test", "x-valid", "x-test"),
    "ImageNet16-120": ("ori-test", "x-valid", "x-test"),
}
TORCH_BEFORE_1_6 = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
NAME = "|architecture {:08d}|"


def trial(dataset: str, epochs: int) -> dict[str, Any]:
    """One training as the API keeps it; every key a text of its own, as there."""
    curve: dict[str, Any] = {
        name: OrderedDict((epoch, epoch / 7) for epoch in range(epochs))
        for name in ("train_acc1es", "train_acc5es", "train_losses", "train_times")
    }
    keys = [f"{split}@{epoch}" for split in SETS[dataset] for epoch in range(epochs)]
    evaluated = {name: dict.fromkeys(keys, 0.5) for name in ("eval_acc1es", "eval_times", "eval_losses")}
    return {"name": dataset, "net_state_dict": None, **curve, "params": 0.1, "flop": 0.2, "epochs": epochs, **evaluated}


def results(epochs: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    trials = {(dataset, seed): trial(dataset, epochs) for dataset in SETS for seed in seeds}
    seeds_of = {dataset: list(seeds) for dataset in SETS}
    return {"arch_index": 0, "arch_str": NAME.format(0), "all_results": trials, "dataset_seed": seeds_of}


class Template:
    """The pickle of one architecture, in which numbers, names and places in the memo can be exchanged."""

    def __init__(self) -> None:
        raw = pickle.dumps({"full": results(200, (777, 888)), "less": results(12, (777,))}, 2)
        body, self.remembered = bytearray(), 0
        places: dict[str, list[int]] = {"memo": [], "number": [], "name": []}
        codes = list(pickletools.genops(raw))[1:-1]
        ends = [at for _, _, at in codes[1:]] + [len(raw) - 1]
        for (code, argument, at), end in zip(codes, ends, strict=True):
            if code.name.endswith(("BINPUT", "BINGET")):
                put = code.name.endswith("PUT")
                self.remembered += put
                places["memo"].append(len(body) + 1)
                body += (b"r" if put else b"j") + struct.pack("<I", argument)
                continue
            if code.name == "BINFLOAT":
                places["number"].append(len(body) + 1)
            elif code.name == "BINUNICODE" and argument == NAME.format(0):
                places["name"].append(len(body) + 5)
            body += raw[at:end]
        self._bytes = np.frombuffer(bytes(body), np.uint8)
        sizes = {"memo": 4, "number": 8, "name": len(NAME.format(0))}
        self._places = {what: np.array(found)[:, None] + np.arange(sizes[what]) for what, found in places.items()}
        self._memo = self._bytes[self._places["memo"]].copy().view("<u4")[:, 0]

    def filled(self, index: int, remembered: int, rng: np.random.Generator) -> bytes:
        copy = self._bytes.copy()
        numbers = rng.random(len(self._places["number"])) * 100
        copy[self._places["memo"]] = (self._memo + remembered).astype("<u4").view(np.uint8).reshape(-1, 4)
        copy[self._places["number"]] = numbers.astype(">f8").view(np.uint8).reshape(-1, 8)
        copy[self._places["name"]] = np.frombuffer(NAME.format(index).encode(), np.uint8)
        return copy.tobytes()


def write(file: BinaryIO, architectures: int) -> None:
    """Write the file as torch.save did before 1.6: its head, then one pickle with items in batches of 1,000."""
    for head in TORCH_BEFORE_1_6:
        file.write(pickle.dumps(head, 2))
    names = pickle.dumps([NAME.format(index) for index in range(architectures)], 2)
    template, rng, remembered = Template(), np.random.default_rng(0), architectures + 1
    # the list of names remembers itself and its members, so that the dictionary around it need not be
    file.write(b"\x80\x02}(" + text("meta_archs") + names[2:-1] + text("arch2infos") + b"}")
    for index in range(architectures):
        file.write(b"(" if index % 1000 == 0 else b"")
        file.write(b"J" + struct.pack("<i", index) + template.filled(index, remembered, rng))
        file.write(b"u" if index % 1000 == 999 or index == architectures - 1 else b"")
        remembered += template.remembered
    file.write(b"u.")


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def memory() -> float:
    """The most that was taken so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    architectures = int(sys.argv[1]) if len(sys.argv) > 1 else 15625
    check = io.BytesIO()
    write(check, 2)
    check.seek(0)
    assert [pickle.load(check) for _ in range(4)][3]["arch2infos"][1]["full"]["arch_str"] == NAME.format(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.pth"
        with open(path, "wb") as file:
            write(file, architectures)
        size, before = path.stat().st_size / 1e6, memory()
        started = time.perf_counter()
        table = read(path, lambda _: None)
        seconds = time.perf_counter() - started
    print(f"{table.num_rows:,} architectures, {size:,.0f} MB: {seconds:.0f} s, {size / seconds:.0f} MB/s")
    print(f"peak memory {memory():,.0f} MB ({before:,.0f} MB before)")


if __name__ == "__main__":
    main()
