"""Memory and speed of images that are read from disk, on generated photographs.

    python benchmarks/stored_images.py --images 20000 --side 224 --processes 2

For 5,000 images and for ``--images``, each process reads the folder and trains a small network on some batches. Printed
are the seconds of reading, the images per second of batches alone and with a training, and the private memory (USS),
from disk and, of the smaller set, from memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image


def generate(folder: Path, images: int, side: int) -> None:
    """Photographs of smooth noise, in ten classes: every file differs, and decodes as a photograph does."""
    rng = np.random.default_rng(0)
    for at in range(images):
        file = folder / "train" / str(at % 10) / f"{at}.jpg"
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BILINEAR).save(file, quality=85)


def worker(folder: str, side: int, in_memory: int, batches: int) -> None:
    """Read the folder, train, and print: seconds of reading, images per second of batches, USS in MB."""
    import psutil
    import torch

    from lapt.data.images import split
    from lapt.data.sources import load_images
    from lapt.training.augment import Augmenter
    from lapt.training.recipe import Augmentation
    from lapt.training.tasks import make_task

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    began = time.perf_counter()
    data = load_images(folder, size=side, in_memory=in_memory).train
    training, validation = split(data, 0.2, 0)
    (mean, _), _ = training.statistics, data.digest  # as a training asks for them
    read = time.perf_counter() - began
    task = make_task("classification", data)
    augmenter = Augmenter(Augmentation(), task)
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 10),
    )  # fmt: skip
    optimiser = torch.optim.SGD(network.parameters(), 0.01)
    order = torch.randperm(len(training), generator=generator)
    draws = augmenter.draw(len(training), generator)
    rates = []
    for learns in (False, True):
        began, seen = time.perf_counter(), 0
        for at in order.split(128)[:batches]:
            images = augmenter.apply(training.images[at], draws.at(at), mean)
            seen += len(at)
            if learns:
                loss = torch.nn.functional.cross_entropy(network(images), training.labels[at])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        rates.append(seen / (time.perf_counter() - began))
    del images
    uss = psutil.Process().memory_full_info().uss / 1e6
    print(f"{read:.1f} {rates[0]:.0f} {rates[1]:.0f} {uss:.0f} {len(validation)}")


def measured(folder: Path, side: int, in_memory: int, processes: int, batches: int) -> list[list[float]]:
    """A row for each process: seconds of reading, images per second of batches and of a training, USS in MB."""
    line = [sys.executable, __file__, "--worker", str(folder), str(side), str(in_memory), str(batches)]
    with ProcessPoolExecutor(processes) as pool:
        told = list(pool.map(_told, [line] * processes))
    return [[float(value) for value in one.split()[:4]] for one in told]


def _told(line: list[str]) -> str:
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="keeps the images and the cache; a temporary folder if unset")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        folder, side, in_memory, batches = given.worker
        worker(folder, int(side), int(in_memory), int(batches))
        return
    with tempfile.TemporaryDirectory() as made:
        base = given.folder or Path(made)
        os.environ["LAPT_CACHE"] = str(base / "cache")
        print("images  where      reading s   batches/s   training/s   USS MB   (of each process)")
        for images in sorted({min(5000, given.images), given.images}):
            folder = base / f"{images}"
            generate(folder, images, given.side)
            _told([sys.executable, __file__, "--worker", str(folder), str(given.side), "0", "1"])  # decodes
            _row(images, "disk", measured(folder, given.side, 0, given.processes, given.batches))
            if images == min(5000, given.images):  # all of it twice in memory would be 6 GB
                _row(images, "memory", measured(folder, given.side, 2**40, given.processes, given.batches))


def _row(images: int, where: str, rows: list[list[float]]) -> None:
    seconds, *rates = zip(*rows, strict=True)
    columns = ["/".join(f"{value:,.1f}" for value in seconds)]
    columns += ["/".join(f"{value:,.0f}" for value in column) for column in rates]
    print(f"{images:6,}  {where:9}  {columns[0]:>9}   {columns[1]:>9}   {columns[2]:>10}   {columns[3]:>6}", flush=True)


if __name__ == "__main__":
    main()
