"""Facts about the images that a network was trained on, which outlive the images. Needs no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from lapt.data.pictures import Background, Depth, Look, Range


@dataclass(frozen=True)
class Images:
    """The facts about training images that a use of their network needs.

    ``source``: as it was declared. ``digest``: of all images of the search; empty where it is not known. ``shape``:
    (C, H, W). ``background``, ``ranges``: as of ``Look``, by which files become pixels. ``target``: the shape of an
    image's target, if it is no class. ``highest``: the highest label of such targets, if they are labels.
    ``components``: the names of the components of a target that is a vector.
    """

    source: str
    digest: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...] = ()
    background: Background = "white"
    ranges: dict[Depth, Range] = field(default_factory=dict)
    target: tuple[int, ...] | None = None
    highest: int | None = None
    components: tuple[str, ...] = ()

    @property
    def look(self) -> Look:
        channels, height, width = self.shape
        return Look((height, width), channels == 1, self.background, self.ranges)

    @property
    def as_json(self) -> str:
        """As text of ASCII characters: the name of a class may be any name of a folder."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        """The facts in a text of ``as_json``."""
        found = json.loads(text)
        channels, height, width = found.pop("shape")
        target = found.pop("target")
        ranges = {depth: (low, high) for depth, (low, high) in found.pop("ranges").items()}
        return cls(
            shape=(channels, height, width),
            classes=tuple(found.pop("classes")),
            ranges=ranges,
            target=None if target is None else tuple(target),
            components=tuple(found.pop("components", ())),
            **found,
        )
