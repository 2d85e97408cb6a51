"""Draw a set of images for trials of searches: six shapes of any place, size and colour on noise.

Usage: python benchmarks/drawn_shapes.py FOLDER [--side 64] [--images 600] [--seed 0]. FOLDER gets train/ and, with a
quarter as many images, test/, a folder a class. So `lapt run mobile --set evaluator.data=FOLDER` searches on them, and
`--dry-run` says how long that takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("disc", "ring", "square", "frame", "triangle", "cross")


def drawn(shape: str, side: int, rng: np.random.Generator) -> Image.Image:
    """One image of a shape, RGB, side x side pixels."""
    ground = rng.uniform(0, 256, 3)
    noise = rng.normal(ground, 20, (side, side, 3))
    image = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    draw, colour = ImageDraw.Draw(image), tuple(int(value) for value in (ground + rng.uniform(80, 176, 3)) % 256)
    half = rng.uniform(0.12, 0.3) * side
    x, y = rng.uniform(half, side - half, 2)
    box, line = (x - half, y - half, x + half, y + half), max(2, int(half / 4))
    if shape == "disc":
        draw.ellipse(box, fill=colour)
    elif shape == "ring":
        draw.ellipse(box, outline=colour, width=line)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    elif shape == "frame":
        draw.rectangle(box, outline=colour, width=line)
    elif shape == "triangle":
        draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=colour)
    else:
        draw.line([(x - half, y), (x + half, y)], fill=colour, width=line)
        draw.line([(x, y - half), (x, y + half)], fill=colour, width=line)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--images", type=int, default=600, help="for training; a quarter as many for tests")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    for split, count in (("train", asked.images), ("test", asked.images // 4)):
        for number in range(count):
            shape = SHAPES[number % len(SHAPES)]
            folder = asked.folder / split / shape
            folder.mkdir(parents=True, exist_ok=True)
            drawn(shape, asked.side, rng).save(folder / f"{number:05}.png")
    print(f"{asked.images} images for training and {asked.images // 4} for tests in {asked.folder}")


if __name__ == "__main__":
    main()
