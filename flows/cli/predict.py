"""``lapt predict``: classes, labels or quantities of image files by an exported network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import JsonOption
from lapt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapt.inference.predictions import Prediction

NAMED = 5
"""Number of files that an error names."""


def predict(
    export: Annotated[Path, typer.Argument(help="The .onnx file of an export, or its .py file, whose code runs.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="Number of classes or labels to show for an image.")] = 3,
    weights: Annotated[
        Path | None, typer.Option(help="Weights for a .py file; the .pt file beside it if unset.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the classes, labels or quantities of images with an exported network, without its run and store.

    Images in folders named after classes are counted: the share of right ones is printed too.
    """
    from flows.screen.counting import counting
    from flows.screen.predictions import show_predictions
    from lapt.inference.predictions import BATCH, check_predicts, predictions, wanted_in
    from lapt.inference.runtimes import opened

    network = opened(export, weights)
    check_predicts(network, export)
    wanted = wanted_in(images, network.card.classes)
    if len(wanted) > BATCH:
        with counting(f"{export.name}, {len(wanted):,} images", "images") as heard:
            found = list(predictions(network, wanted, top, heard))
    else:
        found = list(predictions(network, wanted, top))
    if as_json:
        print(json.dumps(_document(export, network.card.task, found), indent=2))
    else:
        show_predictions(found, network.card.task)
    _complain(found)


_WORDS = {"multilabel": ("labels", "label", "probability"), "regression": ("quantities", "quantity", "value")}
"""Task -> the keys of an image's answers, of the name and of the value of each."""


def _document(export: Path, task: str, found: Sequence[Prediction]) -> dict[str, Any]:
    from lapt.inference.predictions import accuracy

    several, name, number = _WORDS.get(task, ("classes", "class", "probability"))
    rows = [
        {
            "image": str(one.wanted.file),
            several: [{name: said, number: value} for said, value in one.values],
            **({} if one.wanted.label is None else {"label": one.wanted.label}),
            **({} if one.error is None else {"error": one.error}),
        }
        for one in found
    ]
    right = accuracy(found)
    return {"export": str(export), "images": rows, **({} if right is None else {"accuracy": right._asdict()})}


def _complain(found: Sequence[Prediction]) -> None:
    """Raise DataError if a file could not be read. The others are shown by then."""
    failed = [f"{one.wanted.file} ({one.error})" for one in found if one.error is not None]
    if failed:
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        raise DataError(
            "images that Pillow reads, as deep as those of the training",
            f"{'; '.join(failed[:NAMED])}{more}",
            "replace or leave out these files; the others are shown",
        )
