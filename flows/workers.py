"""Workers of a pool on this machine: one process a device, one flow run at a time each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from flows.prefect_settings import DEFAULTS

HEARTBEAT_SECONDS = 30
END_SECONDS = 30.0


def visible_devices(environment: Mapping[str, str] = os.environ) -> list[str | None]:
    """The CUDA devices that workers are started for, as ``CUDA_VISIBLE_DEVICES`` names them; [None] without any.

    What the variable says is respected: "2,3" are two workers, "" none with a GPU, so one without.
    """
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [one.strip() for one in said.split(",") if one.strip()] or [None]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())] or [None]


def worker_environment(device: str | None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker is started with; its flow runs inherit it."""
    mine = {
        **DEFAULTS,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # a batch waits half of it; Prefect's own 10 s doubled what one costs
        **environment,
    }
    return mine if device is None else {**mine, "CUDA_VISIBLE_DEVICES": device}


def run_workers(pool: str, devices: Sequence[str | None]) -> int:
    """Starts one worker a device and waits for them; Ctrl-C and SIGTERM are passed on. The worst exit status."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", "1"],
            env=worker_environment(device),
        )
        for device in devices
    ]

    def pass_on(number: int, frame: object) -> None:
        for process in processes:
            process.send_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        return max(process.wait() for process in processes)
    except KeyboardInterrupt:  # the terminal sent it to them too
        for process in processes:
            process.wait(END_SECONDS)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in processes:
            if process.poll() is None:
                process.kill()
