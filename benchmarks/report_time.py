"""Seconds that ``lapt report`` takes for a run of 1,000 evaluations a target, and the size of its page.

Asked: under 5 s and 2 MB. As a user has it: a new process, imports included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LAPT = Path(sys.executable).with_name("lapt")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, page = f"{folder}/store", Path(folder) / "page.html"
        budget = [
            "--set",
            "search.population_size=25",
            "--set",
            "search.generations=13",  # 25 + 3 x 25 x 13
            "--set",
            "reasoner.max_operators=4",
        ]  # a space that has as many
        subprocess.run([LAPT, "run", "invented", *budget, "--store", store], stdout=subprocess.DEVNULL, check=True)
        counted = "SELECT count(*) FROM evaluations WHERE run_id = (SELECT run_id FROM runs LIMIT 1)"
        said = subprocess.run(
            [LAPT, "sql", counted, "--store", store], capture_output=True, text=True, check=True
        ).stdout
        print(f"evaluations: {said.split()[-1]}, and as many of controls")
        run = subprocess.run(
            [LAPT, "sql", "SELECT DISTINCT run_id FROM runs", "--store", store],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                [LAPT, "report", run, "--store", store, "--out", page], stdout=subprocess.DEVNULL, check=True
            )
            print(f"{time.perf_counter() - began:.2f} s, {page.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
