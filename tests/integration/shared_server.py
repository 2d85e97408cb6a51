"""One Prefect server for the commands of all tests of a process that are not about servers.

A server of its own for each command is 3 to 4 s of a core.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache

SERVER = """
import sys
from pathlib import Path
from flows.server.address import prefect_server
with prefect_server(Path(sys.argv[1])) as address:
    print(address, flush=True)
    sys.stdin.read()
"""
SERVED = ("run", "demo", "final")
"""Commands that use a server."""


def environment(command: str = "run") -> dict[str, str]:
    """The environment of ``lapt COMMAND``, without settings of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LAPT_", "PREFECT_"))}
    return {**clean, "PREFECT_API_URL": address()} if command in SERVED else clean


@cache
def address() -> str:
    """The server's, which lives in another process and ends with this one, however it ends."""
    home = tempfile.TemporaryDirectory(prefix="prefect-of-tests-", ignore_cleanup_errors=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-c", SERVER, home.name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    assert said.startswith("http://127.0.0.1:"), "the server did not start"
    atexit.register(home.cleanup)
    atexit.register(process.wait, 30)
    atexit.register(process.stdin.close)  # first: the last registered
    return said
