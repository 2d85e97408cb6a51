"""Prefect's share of a run: the same pipeline as plain functions and as flows under an embedded server.

    python benchmarks/prefect_overhead.py [PRESET]

Prints seconds for each, and for the server's start and end apart. The store is a temporary folder; the pipeline's table
must be imported (``demo`` needs none).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from flows.build import build
from flows.server.settings import apply_environment
from lapt.pipeline.config import Execution, load_pipeline
from lapt.pipeline.target import TargetSearch


def main() -> None:
    pipeline = load_pipeline(sys.argv[1] if len(sys.argv) > 1 else "nas201")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        built = build(pipeline, Execution(store=folder))
        archive = built.steps.build_archive(built.evaluator(pipeline.source.task))
        principles = built.steps.learn(archive)
        for target in pipeline.targets:
            TargetSearch(built.steps, built.evaluator(target)).run(principles)
        plain = time.perf_counter() - began

        apply_environment()
        began = time.perf_counter()
        from flows.pipeline import lapt_flow
        from flows.server.address import prefect_server

        imported = time.perf_counter() - began
        began = time.perf_counter()
        with prefect_server(Path(folder) / "prefect"):
            started = time.perf_counter() - began
            began = time.perf_counter()
            lapt_flow(pipeline, Execution(store=folder))
            flows = time.perf_counter() - began
            began = time.perf_counter()
        stopped = time.perf_counter() - began
    print(f"plain functions, nothing stored         {plain:6.2f} s")
    print(f"flows, tasks, artifacts, store          {flows:6.2f} s")
    print(f"share of Prefect and the store          {flows - plain:6.2f} s")
    print(f"importing Prefect                       {imported:6.2f} s")
    print(f"starting the embedded server            {started:6.2f} s")
    print(f"ending it                               {stopped:6.2f} s")


if __name__ == "__main__":
    main()
