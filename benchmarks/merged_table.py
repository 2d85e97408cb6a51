"""Join NAS-Bench-201 with the digits benchmark: one table of 15,625 cells and six tasks, to transfer between the two.

A cell has the digits scores of the cells that compute the same. NAS-Bench-201 must be imported.

    python benchmarks/merged_table.py merged
    lapt benchmark import table merged.parquet --declare merged.yaml
    lapt study transfer nas201 --resampled --set evaluator.table=merged --set source.task=imagenet16_120 \\
        --set "targets=[jigsaw, classification, autoencoding]"
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from lapt.spaces import BUILTIN
from storage.benchmarks.tables import load

NAS201 = ("imagenet16_120", "cifar10", "cifar100")
DIGITS = ("jigsaw", "classification", "autoencoding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="path without a suffix: OUT.parquet and OUT.yaml are written")
    out: Path = parser.parse_args().out
    space, large, small = BUILTIN["nas201"], load("nasbench201"), load("digits")
    rows = {space.canonical(space.decode(text)): at for at, text in enumerate(small.architectures)}
    of_digits = [rows[space.canonical(space.decode(text))] for text in large.architectures]
    columns: dict[str, object] = {"cell": list(large.architectures)}
    columns |= {task: large.column(task) for task in NAS201} | {task: small.column(task)[of_digits] for task in DIGITS}
    pq.write_table(pa.table(columns), out.with_suffix(".parquet"))
    tasks = {
        task: {
            "validation": task,
            "metric": table.metrics[task].name,
            "unit": table.metrics[task].unit,
            "higher_is_better": table.metrics[task].higher_is_better,
        }
        for table, names in ((large, NAS201), (small, DIGITS))
        for task in names
    }
    declared = {"name": out.name, "space": "nas201", "architecture": "cell", "tasks": tasks}
    out.with_suffix(".yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    print(f"wrote {out.with_suffix('.parquet')} and {out.with_suffix('.yaml')}")


if __name__ == "__main__":
    main()
