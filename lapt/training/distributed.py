"""Training of one network by several processes, each with its share of every batch (DistributedDataParallel)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lapt.errors import ConfigError
from lapt.latency.quiet import pause
from lapt.training.device import DeviceError, device_for
from lapt.training.meters import MeanLoss

WAIT = timedelta(hours=1)
"""Longest wait of one process for another. A process that dies is noticed at once, by ``Workers.together``."""

Forward = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Rank:
    """One of the processes of a training, or the only one. Picklable.

    ``meeting``: a file by which the processes find each other; it is not there before. Process 0 leads: it writes the
    checkpoint, and scores the network.
    """

    number: int = 0
    of: int = 1
    meeting: str = ""

    @property
    def leads(self) -> bool:
        return self.number == 0

    def join(self, device: torch.device) -> None:
        """Wait for the other processes."""
        if self.of == 1:
            return
        backend = "gloo"
        if device.type == "cuda":
            backend = "nccl"
            torch.cuda.set_device(device)
        # All are on this machine. Without this, gloo looks for the address of the host's name, which may have none.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        met = f"file://{quote(self.meeting)}"
        dist.init_process_group(backend, met, timeout=WAIT, world_size=self.of, rank=self.number)

    def leave(self) -> None:
        """Part from the other processes. After an exception a process does not: the others would fail as well, and
        perhaps be heard first."""
        if self.of > 1:
            dist.destroy_process_group()

    def wrapped(self, network: nn.Module, forward: Forward, device: torch.device) -> Forward:
        """``forward``, whose gradients are the mean over all processes after each ``backward``."""
        if self.of == 1:
            return forward
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # in place
        # Without the search for weights that a step leaves out, it would wait for their gradients.
        return DistributedDataParallel(_Outputs(network, forward), broadcast_buffers=False, find_unused_parameters=True)

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch, int64 [n]. Sizes differ by one at most."""
        return batch.tensor_split(self.of)[self.number]

    def seed(self, seed: int, epoch: int) -> None:
        """Seed the draws of an epoch that are not those of all images: dropout, mixed images.

        Process 0 goes on as a single process does.
        """
        if self.number:
            torch.manual_seed(seed + (self.number << 32) + epoch)

    def pause(self) -> None:
        """As ``quiet.pause``. Process 0 has the lock for all, and on a CPU the others wait for it.

        With a lock each, one that pauses and one that waits for its gradient would wait for each other.
        """
        if self.leads:
            pause()
        if self.of > 1 and dist.get_backend() == "gloo":
            dist.barrier()

    def mean(self, loss: MeanLoss, device: torch.device) -> float:
        """The mean over the images of all processes."""
        if self.of == 1:
            return loss.value()
        sums = torch.tensor([loss.value() * loss.images, loss.images], dtype=torch.float64, device=device)
        dist.all_reduce(sums)
        return float(sums[0] / sums[1])

    def agree(self, *networks: nn.Module | None) -> None:
        """Replace the running statistics of BatchNorm by their mean over all processes."""
        if self.of == 1:
            return
        for module in (module for network in networks if network is not None for module in network.modules()):
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                for statistic in (module.running_mean, module.running_var):
                    assert statistic is not None
                    dist.all_reduce(statistic)
                    statistic /= self.of


ALONE = Rank()
"""The rank of a training in one process."""


class _Outputs(nn.Module):
    """A network with another forward function."""

    def __init__(self, network: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.network, self.outputs = network, forward

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.outputs(images)


def check_processes(processes: int, device: str, smallest_batch: int) -> None:
    """Raises ConfigError if ``processes``, two or more, cannot train one network, DeviceError without such a device."""
    found = device_for(device)
    if found.type not in ("cpu", "cuda") or not dist.is_available():
        raise DeviceError(
            f"a CPU or CUDA GPUs, for {processes} processes in a final training",
            str(found),
            "leave out final_processes",
        )
    if found.type == "cuda" and (device not in ("auto", "cuda") or torch.cuda.device_count() < processes):
        raise DeviceError(
            f"{processes} GPUs for {processes} processes in a final training, with device auto or cuda",
            f"{device}, {torch.cuda.device_count()} GPUs",
            "lower final_processes",
        )
    if smallest_batch < 2 * processes:
        raise ConfigError(
            f"batches of {2 * processes} images or more, two for each of {processes} processes of the final training",
            f"{smallest_batch}",
            "lower final_processes, or raise recipe.batch_size",
        )
