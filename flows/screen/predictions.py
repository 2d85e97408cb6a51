"""Predictions for images in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from flows.screen.console import out, print_table
from lapt.inference.predictions import Prediction, accuracy
from lapt.report.tables import Column, Table


def show_predictions(found: Sequence[Prediction], task: str) -> None:
    """Print the best classes or labels of each image, or its quantities, and the share of right classes where folders
    name them."""
    shown = [one for one in found if one.values]
    if shown and task == "regression":
        quantities = [Column("image", least=24), *(Column(name, number=True) for name, _ in shown[0].values)]
        rows = [[str(one.wanted.file), *(f"{value:.5g}" for _, value in one.values)] for one in shown]
        print_table(Table.of(quantities, rows))
    elif shown:
        places = range(len(shown[0].values))
        named = "label" if task == "multilabel" else "class"
        columns = [Column("image", least=24), named, Column("probability", number=True)]
        columns += [f"{at + 1}." for at in places[1:]]
        print_table(Table.of(columns, [_row(one) for one in shown]))
    right = accuracy(found)
    if right is not None:
        said = f"{right.right:,} of {right.images:,} images in folders named after classes are right"
        out.print(f"{said}: {right.percent:.2f} %")


def _row(one: Prediction) -> list[str]:
    (name, share), *others = one.values
    return [str(one.wanted.file), name, f"{share:.1%}", *(f"{other} {its:.0%}" for other, its in others)]
