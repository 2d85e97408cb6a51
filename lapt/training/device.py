"""Choice of the device and the number of threads of a training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lapt.errors import LaptError
from lapt.training import WORKER


class DeviceError(LaptError):
    """This machine does not have the device."""

    usage = True


def device_for(name: str = "auto") -> torch.device:
    """``auto`` is a CUDA GPU, else the CPU; any other name is torch's own (``cpu``, ``cuda:1``, ``mps``).

    Of several GPUs, the worker process number k (``WORKER`` in its environment) gets the k-th where no index is named,
    another process the first. Raises DeviceError: an unknown name, a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError("auto, cpu, mps, cuda or cuda:N as device", repr(name), "use auto") from None
    present = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise DeviceError(
            f"a machine with the device {name}", f"{torch.cuda.device_count()} CUDA devices", "use auto or cpu"
        )
    if device != torch.device("cuda"):
        return device
    return torch.device("cuda", int(os.environ.get(WORKER, 0)) % torch.cuda.device_count())


def processes_for(name: str) -> int:
    """Number of trainings that a device can run side by side: one a core of this process, one a GPU that ``name``
    means."""
    device = device_for(name)
    if device.type == "cpu":
        return len(os.sched_getaffinity(0))
    return torch.cuda.device_count() if name in ("auto", "cuda") else 1


@contextmanager
def with_threads(number: int | None) -> Iterator[None]:
    """Let torch compute with ``number`` threads inside the block (None: as many as before).

    One and two threads give different sums, so scores that must repeat are trained with one.
    """
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_bfloat16(device: torch.device) -> bool:
    """True on GPUs with bf16 units. False on CPUs: without such units autocast to bf16 is ten times slower."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
