"""Tables 4 and 5 of the paper: published networks, with their sizes counted here. Nothing is searched or trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from flows.studies.published import TABLE_4, TABLE_5, PublishedNetwork
from flows.studies.rows import Row, StudyResult

APART = 0.02
"""Largest difference between published and counted parameters that needs no explanation."""


class _Table(NamedTuple):
    """Published rows, and the published setting of a DARTS network: ``cells`` in each of three stages."""

    rows: tuple[PublishedNetwork, ...]
    target: str
    classes: int
    side: int
    channels: int
    cells: int
    stem: Literal["cifar", "imagenet"]


TABLES = {
    "table4": _Table(TABLE_4, "cifar10", classes=10, side=32, channels=36, cells=6, stem="cifar"),
    "table5": _Table(TABLE_5, "imagenet", classes=1000, side=224, channels=48, cells=4, stem="imagenet"),
}
"""Study name -> table."""


def literature(name: str) -> StudyResult:
    """Published figures, and parameters and multiply-adds counted here.

    ``test`` rows have no mean, since nothing was trained at full scale: the accuracy of a finished run belongs there.
    """
    began, table = time.monotonic(), TABLES[name]
    rows = tuple(row for network in table.rows for row in _rows(network, table))
    return StudyResult(
        study=name,
        pipeline="none",
        seeds=0,
        methods=tuple(network.name for network in table.rows),
        rows=rows,
        seconds=round(time.monotonic() - began, 3),
        notes=tuple(_notes(table, {row.method: row for row in rows if row.quantity == "parameters"})),
    )


def _rows(network: PublishedNetwork, table: _Table) -> Iterator[Row]:
    parameters, flops = _counted(network.counted, table) if network.counted else (None, None)
    who: dict[str, Any] = {"method": network.name, "reasoner": None, "target": table.target}
    yield Row(**who, quantity="test", unit="%", published=network.accuracy)
    yield Row(**who, quantity="gpu_days", unit="days", published=network.gpu_days)
    yield Row(**who, quantity="parameters", unit="", mean=parameters, published=network.parameters)
    yield Row(**who, quantity="flops", unit="", mean=flops)


def _counted(name: str, table: _Table) -> tuple[int, int]:
    """Parameters, and multiply-adds of one image in convolutions and linear layers."""
    from lapt.families.darts.networks.skeleton import darts_counts
    from lapt.families.darts.published_cells import PUBLISHED_CELLS
    from lapt.networks.family import NetworkSize
    from lapt.networks.references import reference_counts

    side = (table.side, table.side)
    if name not in PUBLISHED_CELLS:
        return reference_counts(name, classes=table.classes, image_size=side)
    size = NetworkSize(table.channels, table.cells, image_size=side, stem=table.stem)
    return darts_counts(PUBLISHED_CELLS[name], size, table.classes)


def _notes(table: _Table, parameters: dict[str, Row]) -> Iterator[str]:
    yield (
        "no network is trained here: accuracies and GPU days are the paper's. Parameters and multiply-adds (of "
        f"convolutions and linear layers, one image, {table.side} x {table.side}) are counted; DARTS cells in "
        f"{3 * table.cells + 2} layers, C = {table.channels}, without the auxiliary head"
    )
    for network in table.rows:
        found = parameters[network.name]
        said = [network.remark] if network.remark else []
        if found.mean and found.published:
            apart = found.mean / (float(found.published.removesuffix("M")) * 1e6) - 1
            if abs(apart) > APART:
                said.insert(0, f"counted parameters are {apart:+.0%} from the published")
        if said:
            yield f"{network.name.partition(' (')[0]}: {'; '.join(said)}"
    unknown = [network.name.partition(" (")[0] for network in table.rows if network.counted is None]
    yield f"networks that are not known here, and so not counted: {', '.join(unknown)}"
