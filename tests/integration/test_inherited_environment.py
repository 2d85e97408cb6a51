"""Whole commands in environments that they need nothing of, and a Ctrl-C in the middle of them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

LAPT = Path(sys.executable).with_name("lapt")
SMALL = ["--set", "source.archive.samples=20", "--set", "targets=[invented_a]", "--set", "adaptation.iterations=1"]
PROXY = "http://127.0.0.1:9"
HOSTILE = {
    **dict.fromkeys(("HTTP_PROXY", "https_proxy"), PROXY),
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "NO_PROXY": "[::1],fe80::/10",
    **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PREFECT_API_SSL_CERT_FILE"), "/nonexistent/ca.pem"),
    **dict.fromkeys(("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE", "LAPT_STORE", "XDG_CACHE_HOME"), ""),
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://127.0.0.1:9/none",
    "PREFECT_API_AUTH_STRING": "somebody:else",
}
TRAINS = """
name: tiny
space: nas201
evaluator:
  kind: training
  data: digits
  channels: 2
  training_images: 200
  recipe: {epochs: 1, batch_size: 50}
  final_epochs: 1
source: {task: jigsaw, archive: {strategy: random, samples: 4, size: 2}}
targets: [classification]
adaptation: {iterations: 1, top_r: 1}
search: {method: rea, population_size: 3, generations: 1, tournament_size: 2}
"""


def run(store: Path, *command: str, cwd: Path | None = None, **environment: str) -> dict[str, Any]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LAPT_", "PREFECT_"))}
    done = subprocess.run(
        [*command, "--json", "--store", str(store)],
        capture_output=True, text=True, timeout=240, check=False, cwd=cwd, env={**clean, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found["targets"][0]


def modules(folder: Path) -> Path:
    """A folder of a user's own code: generic names, as a script and as a package."""
    for name in ("tasks.py", "storage.py", "flows/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("raise SystemExit('this is not ours')\n")
    return folder


def test_a_run_needs_nothing_of_proxies_certificates_and_empty_variables(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", str(LAPT), "run", "invented", *SMALL)
    hostile = run(tmp_path / "hostile", str(LAPT), "run", "invented", *SMALL, **HOSTILE)
    assert hostile["architecture"] == plain["architecture"]


def test_a_run_needs_no_home_and_no_working_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    homeless = (
        "import os, pwd, sys\n"
        "def unknown(_): raise KeyError('no such user')\n"
        "pwd.getpwuid = unknown\n"
        f"os.rmdir({str(gone)!r})\n"
        "from lapt.command import main\n"
        "main()\n"
    )
    (tmp_path / "homeless.py").write_text(homeless)
    command = ["env", "-u", "HOME", "-u", "XDG_CACHE_HOME", sys.executable, str(tmp_path / "homeless.py")]
    found = run(tmp_path / "store", *command, "run", "invented", *SMALL, cwd=gone)
    assert found["architecture"]


def test_a_users_own_modules_hide_none_of_ours_in_any_process(tmp_path: Path) -> None:
    folder = modules(tmp_path / "mine")
    (tmp_path / "tiny.yaml").write_text(TRAINS)
    command = [str(LAPT), "run", str(tmp_path / "tiny.yaml"), "--processes", "2"]
    found = run(tmp_path / "store", *command, cwd=folder, PYTHONPATH=str(folder))
    assert found["architecture"]


@pytest.mark.parametrize("stage", ["building the archive", "testing what was found"])
def test_a_ctrl_c_among_trainings_is_one_line(tmp_path: Path, stage: str) -> None:
    (tmp_path / "tiny.yaml").write_text(TRAINS.replace("samples: 4", "samples: 24").replace("size: 3", "size: 20"))
    process = subprocess.Popen(
        [str(LAPT), "run", str(tmp_path / "tiny.yaml"), "--processes", "2", "--store", str(tmp_path / "store")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert any(stage in line for line in process.stderr)
    time.sleep(random.uniform(0, 2))
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(60) in (0, 130), said  # it may have been done
    lines = [line for line in said.splitlines() if not line.startswith(("adapting", "testing", "training", "learning"))]
    last = ["lapt: interrupted; what was finished is stored, and the same command goes on from there"]
    assert [line for line in lines if ": epoch " not in line] == (last if process.returncode == 130 else []), said
