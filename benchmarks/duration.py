"""The duration that ``lapt run PIPELINE --dry-run`` says, against that of the run itself on a fresh store.

    python benchmarks/duration.py digits --set controls=[]

It prints the estimate with its range, the wall time, their ratio, and the bytes that the store has then. The estimate
is good if the ratio lies between 1 / 1.5 and 1.5, on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOOD = 1.5


def lapt(*words: str) -> dict[str, Any]:
    """The JSON document that a command prints."""
    done = subprocess.run(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *words, "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("pipeline", nargs="?", default="digits")
    asked.add_argument("--set", action="append", default=[], dest="overrides")
    given = asked.parse_args()
    words = ["run", given.pipeline, *(word for one in given.overrides for word in ("--set", one))]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        before = os.getloadavg()[0]
        began = time.monotonic()
        found = lapt(*words, "--store", str(store), "--dry-run")
        asking = time.monotonic() - began
        if store.exists():
            sys.exit("the dry run left a store")
        began = time.monotonic()
        lapt(*words, "--store", str(store))
        seconds = time.monotonic() - began
        size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    said = found["seconds"]
    ratio = said["expected"] / seconds
    print(f"{given.pipeline}: {found['counted']}")
    print(f"estimate {said['expected']:.0f} s ({said['low']:.0f} to {said['high']:.0f}), in {asking:.0f} s")
    print(f"run {seconds:.0f} s; load {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    print(f"estimate / run {ratio:.2f} ({'within' if 1 / GOOD <= ratio <= GOOD else 'not within'} {GOOD})")
    print(f"store {size / 1e6:.1f} MB, estimate {found['disk_bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
