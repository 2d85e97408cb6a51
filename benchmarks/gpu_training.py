"""Training on a GPU: images/s by recipe, whether a seed repeats, and what becomes of a network that does not fit.

python benchmarks/gpu_training.py [--device cuda] [--images 50000]

Images are made here (32 x 32, ten classes of different brightness): the speed does not depend on what they show. Each
figure is of whole evaluations, as a search pays for them: weights made, epochs trained, validation split scored.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from lapt.evaluation import Evaluation
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import space_named
from lapt.training.device import has_bfloat16

CELLS = {
    "all 3x3": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "residual": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "mixed": "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|",
}
RECIPES: dict[str, dict[str, bool]] = {
    "fp32": {},
    "fp32, channels_last": {"channels_last": True},
    "bf16": {"mixed_precision": True},
    "bf16, channels_last": {"mixed_precision": True, "channels_last": True},
    "bf16, channels_last, compile": {"mixed_precision": True, "channels_last": True, "compile": True},
}


def images(folder: Path, number: int) -> Path:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, number)
    pixels = rng.integers(0, 128, (number, 32, 32, 3)) + (labels * 12)[:, None, None, None]
    path = folder / "made.npz"
    np.savez(path, x_train=pixels.astype(np.uint8), y_train=labels)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--recipes", default=None, help=f"some of {list(RECIPES)}, separated by semicolons")
    parser.add_argument("--side-by-side", type=int, default=8, help="trainings at once on the device; 0: none")
    parser.add_argument("--too-wide", type=int, default=512, help="width of the network that does not fit; 0: none")
    options = parser.parse_args()
    space = space_named("nas201")
    with tempfile.TemporaryDirectory() as folder:
        data = str(images(Path(folder), options.images))

        def evaluator(width: int, batch: int, processes: int = 1, **recipe: bool) -> TrainingEvaluator:
            declared = {"epochs": options.epochs, "batch_size": batch, **recipe}
            return TrainingEvaluator(
                TrainingSpec(
                    space=space,
                    task="classification",
                    data=data,
                    channels=width,
                    cells=options.cells,
                    device=options.device,
                    recipe=declared,
                    validation_share=0.1,
                ),
                processes=processes,
            )

        def scored(at: TrainingEvaluator, cell: str) -> Evaluation:
            (evaluation,) = at.evaluate([space.decode(cell)])
            return evaluation

        device = evaluator(8, 64).device
        name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
        print(f"{name}, torch {torch.__version__}; C={options.width}, N={options.cells}, batch {options.batch}")
        scored(evaluator(8, 256), CELLS["mixed"])  # starts the worker, loads the images
        trained = options.epochs * options.images * 0.9
        half = has_bfloat16(torch.device(device))
        if not half:
            print("no bf16 units here: the recipes with bf16 are left out")
        recipes = {name: told for name, told in RECIPES.items() if half or "mixed_precision" not in told}
        wanted = options.recipes.split(";") if options.recipes else list(recipes)
        for recipe, declared in ((name, told) for name, told in recipes.items() if name in wanted):
            at = evaluator(options.width, options.batch, **declared)
            found = {cell: scored(at, text) for cell, text in CELLS.items()}
            shown = [
                f"{cell} {e.error}" if e.failed else f"{cell} {trained / e.cost_seconds:,.0f} ({e.value:.1f} %)"
                for cell, e in found.items()
            ]
            print(f"{recipe}: images/s " + "; ".join(shown), flush=True)
        for recipe in [name for name in ("fp32", "bf16, channels_last") if name in recipes]:
            at = evaluator(options.width, options.batch, **RECIPES[recipe])
            one, two = (scored(at, CELLS["residual"]).value for _ in range(2))
            print(f"same seed twice, {recipe}: {one} and {two}: {'identical' if one == two else 'DIFFERENT'}")
        if options.side_by_side:
            rng = np.random.default_rng(0)
            many = [space.sample(rng) for _ in range(2 * options.side_by_side)]
            for processes in (1, options.side_by_side):
                at = evaluator(options.width, options.batch, processes, channels_last=True)
                at.evaluate(many[:processes])  # starts them
                began = time.perf_counter()
                scores = [e.value for e in at.evaluate(many[: 4 * processes])]
                rate = len(scores) * trained / (time.perf_counter() - began)
                print(f"{processes} at once, {len(scores)} random cells: {rate:,.0f} images/s in all", flush=True)
        if options.too_wide:
            failed = scored(evaluator(options.too_wide, options.images // 2), CELLS["all 3x3"])
            print(f"a network that does not fit: {failed.error or failed.value}, after {failed.cost_seconds:.0f} s")
            after = scored(evaluator(options.width, options.batch), CELLS["residual"])
            print(f"and the next one: {after.value:.1f} %" if not after.failed else f"and the next one: {after.error}")


if __name__ == "__main__":
    main()
