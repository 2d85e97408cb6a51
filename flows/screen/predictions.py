"""Predictions for images in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from flows.screen.console import out, print_table
from lapt.inference.predictions import Prediction, accuracy
from lapt.report.tables import Column, Table


def show_predictions(found: Sequence[Prediction]) -> None:
    """Print the best classes of each image, and the share of right ones where folders name the classes."""
    shown = [one for one in found if one.classes]
    if shown:
        places = range(len(shown[0].classes))
        columns = [Column("image", least=24), "class", Column("probability", number=True)]
        columns += [f"{at + 1}." for at in places[1:]]
        print_table(Table.of(columns, [_row(one) for one in shown]))
    right = accuracy(found)
    if right is not None:
        said = f"{right.right:,} of {right.images:,} images in folders named after classes are right"
        out.print(f"{said}: {right.percent:.2f} %")


def _row(one: Prediction) -> list[str]:
    (name, share), *others = one.classes
    return [str(one.wanted.file), name, f"{share:.1%}", *(f"{other} {its:.0%}" for other, its in others)]
