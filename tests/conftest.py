"""Common settings of all tests: hypothesis without deadlines, and the real benchmark tables if they are there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from lapt.evaluators import Table
from storage.benchmarks.surrogates import import_surrogate, list_surrogates
from storage.benchmarks.tables import import_benchmark, list_benchmarks, load

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: the tests that send SIGINT would hang.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where Python is told to write no bytecode, as in many containers, each of the hundred processes that tests start would
# compile Prefect and its packages anew: 3 of its 10 s.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(cache) / "lapt" / "bytecode-of-tests")

settings.register_profile("lapt", deadline=None, derandomize=True)
settings.load_profile("lapt")

SHARED = Path(__file__).parents[2] / "shared" / "benchmarks"
REAL = {"nasbench201": "nasbench201", "transnas101_micro": "transnas101-micro"}
SURROGATE = "nb301_surrogate"


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with both real tables: LAPT_DATA if it has them, else imported from ../shared/benchmarks."""
    given = os.environ.get("LAPT_DATA")
    if given and {info.name for info in list_benchmarks(given)} >= set(REAL):
        return Path(given)
    missing = [name for name in REAL if not (SHARED / f"{name}.parquet").is_file()]
    if missing:
        pytest.skip(f"no real tables: neither LAPT_DATA nor ../shared/benchmarks has {missing}")
    folder = tmp_path_factory.mktemp("real")
    for name, kind in REAL.items():
        import_benchmark(kind, SHARED / f"{name}.parquet", data=folder)
    return folder


@pytest.fixture(scope="session")
def nasbench201(real_data: Path) -> Table:
    return load("nasbench201", real_data)


@pytest.fixture(scope="session")
def transnas101(real_data: Path) -> Table:
    return load("transnas101_micro", real_data)


@pytest.fixture(scope="session")
def real_surrogate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with NAS-Bench-301's surrogate: LAPT_DATA if it has it, else from ../shared/benchmarks."""
    pytest.importorskip("onnxruntime", reason="the extra surrogate is not installed")
    given = os.environ.get("LAPT_DATA")
    if given and any(info.name == "nb301" for info in list_surrogates(given)):
        return Path(given)
    if not (SHARED / SURROGATE).is_dir():
        pytest.skip(f"no real surrogate: neither LAPT_DATA nor ../shared/benchmarks has {SURROGATE}")
    folder = tmp_path_factory.mktemp("surrogate")
    import_surrogate(SHARED / SURROGATE, data=folder)
    return folder
