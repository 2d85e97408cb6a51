"""Images a second of a training step: LAPT's networks against the published ones, written down plainly.

    python benchmarks/training_step.py [--cells 20] [--steps 2] [--threads 2] [--batch 128] [--workers 0]

NAS-Bench-201 on CIFAR shapes (C=16, N=5): forward, backward and an SGD step, random cells. Plain: every edge computed,
NCHW, a ``DataLoader`` with the usual PIL transforms. Ours: live edges alone, one ReLU a node, channels_last, a uint8
tensor augmented in batches. Both take turns at each cell, so that other load hits both. Pixels are invented.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lapt" / "networks"))
from published_networks import PublishedNetwork

from lapt.networks import Classifier, backbone
from lapt.spaces import BUILTIN, Architecture

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
Batches = Iterator[tuple[Tensor, Tensor]]
Step = Callable[[], None]


class Pictures(Dataset[tuple[Tensor, int]]):
    """``pixels``: [N, 32, 32, 3] uint8. Random flip, padding by four, random crop, normalisation; image by image."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.pixels, self.labels = pixels, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(32, padding=4),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def augmented(images: Tensor, labels: Tensor, batch: int) -> Batches:
    """``images``: [N, 3, 32, 32] uint8, padded here once. The same augmentation, a batch at a time."""
    padded = functional.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1).contiguous()
    mean, deviation = (255 * torch.tensor(values) for values in (MEAN, DEVIATION))
    across = torch.arange(32)
    while True:
        for chosen in torch.randperm(len(images)).split(batch):
            if len(chosen) < batch:
                continue
            top, left = torch.randint(0, 9, (2, batch, 1))
            columns = torch.where(torch.rand(batch, 1) < 0.5, across, across.flip(0)) + left
            pixels = padded[chosen[:, None, None], (across + top)[:, :, None], columns[:, None, :]]
            yield pixels.float().sub_(mean).div_(deviation).permute(0, 3, 1, 2), labels[chosen]


def training_step(network: nn.Module, batches: Batches, *, foreach: bool) -> Step:
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True, foreach=foreach
    )

    def step() -> None:
        images, labels = next(batches)
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def seconds(step: Step) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cells", 20), ("steps", 2), ("threads", 2), ("batch", 128), ("workers", 0), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    pixels = rng.integers(0, 256, (8 * options.batch, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, len(pixels))
    loader = DataLoader(
        Pictures(pixels, labels), options.batch, shuffle=True, drop_last=True, num_workers=options.workers
    )
    plain_batches = (batch for _ in cycle([None]) for batch in loader)
    our_batches = augmented(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels), options.batch
    )

    def plain(cell: Architecture) -> Step:
        network = PublishedNetwork(space.family, cell.operators, 16, 5, 10)
        return training_step(network, plain_batches, foreach=False)

    def ours(cell: Architecture) -> Step:
        network = Classifier(backbone(space, cell, channels=16, cells=5), 10).to(memory_format=torch.channels_last)
        return training_step(network, our_batches, foreach=True)

    space = BUILTIN["nas201"]
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    alive_cells = []
    print(f"{'cell':<110} {'plain':>7} {'ours':>7}  ratio   (s a step of {options.batch})")
    for _ in range(options.cells):
        cell = space.sample(rng)
        steps = {"plain": plain(cell), "ours": ours(cell)}
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(options.steps + 1):
            for name, step in steps.items():
                spent = seconds(step)
                if turn:  # the first step allocates
                    taken[name].append(spent)
        alive_cells.append(bool(space.family.live_edges(cell.operators)))
        for name, spent_each in taken.items():
            times[name].append(sum(spent_each) / len(spent_each))
        print(
            f"{space.encode(cell):<110} {times['plain'][-1]:7.3f} {times['ours'][-1]:7.3f}"
            f"  {times['plain'][-1] / times['ours'][-1]:5.2f}",
            flush=True,
        )
    alive = np.array(alive_cells)
    for which, chosen in (("all cells", np.full(len(alive), True)), ("cells with a live path", alive)):
        plain_rate, our_rate = (options.batch / float(np.mean(np.array(times[name])[chosen])) for name in times)
        ratios = np.array(times["plain"])[chosen] / np.array(times["ours"])[chosen]
        print(
            f"{chosen.sum():3} {which:<24} plain {plain_rate:7.1f} images/s   ours {our_rate:7.1f} images/s"
            f"   ratio {our_rate / plain_rate:5.2f} (median of a cell {np.median(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
