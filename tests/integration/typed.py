"""A command line that is run in this process: for what it says, where a start of Python is all that a process adds."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from flows.cli.app import main
from flows.screen.console import out as out_console


def typed(*arguments: str, data: Path | None = None, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """The end and output of ``lapt ARGUMENTS``, without settings of whoever runs the tests. ``columns``: the width."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LAPT_", "PREFECT_"))}
    clean |= {} if data is None else {"LAPT_DATA": str(data)}
    out, err, status = io.StringIO(), io.StringIO(), 0
    handler = signal.getsignal(signal.SIGINT)
    try:
        with (
            patch.dict(os.environ, clean, clear=True),
            patch.object(sys, "argv", ["lapt", *arguments]),
            patch.object(out_console, "_width", columns),
            warnings.catch_warnings(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        signal.signal(signal.SIGINT, handler)  # at its end, a command ignores it
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
