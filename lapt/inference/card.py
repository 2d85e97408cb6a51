"""The facts that every export carries: classes, and the way from an image file to the network's input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lapt import __version__
from lapt.data.facts import Images
from lapt.data.pictures import Background, Depth, Look, Range
from lapt.errors import ConfigError

INPUT, OUTPUT = "images", "output"
"""Names of the input and the output, in ONNX too."""
RESIZE = (
    "decode a JPEG at the smallest scale with twice this size, turn upright as EXIF says, lay on the background where "
    "transparent, resize the shorter side (bilinear), cut out the centre"
)
IN_PYTHON = (
    *(
        "task",
        "classes",
        "components",
        "image_size",
        "channel_order",
        "value_range",
        "mean",
        "std",
        "background",
        "ranges",
    ),
    "trained",
)
"""Facts that are constants of the Python file. The others are in its docstring."""


@dataclass(frozen=True)
class Card:
    """The facts about an exported network.

    ``task``: the name of its ``Task``. ``image_size``: (H, W). ``channel_order``: RGB or grey. ``value_range``: of
    pixels at the input. ``mean``, ``std``: of the training images in that range, a channel each; the network itself
    subtracts and divides. ``background``, ``ranges``: as of ``Look``. ``trained``: False for random weights.
    ``components``: the names of the output's labels or quantities, if they have names. ``told``: the run and its
    scores.
    """

    task: str
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    channel_order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    space: str = ""
    architecture: str = ""
    background: Background = "white"
    ranges: Mapping[Depth, Range] = field(default_factory=dict)
    value_range: Range = (0.0, 1.0)
    trained: bool = True
    components: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_images(cls, images: Images, task: str, mean: Sequence[float], std: Sequence[float], **more: Any) -> Self:
        """The facts of a network for these images. ``mean``, ``std``: rounded here to six digits."""
        channels, height, width = images.shape
        return cls(
            task=task,
            classes=images.classes if task == "classification" else (),
            components=images.components,
            image_size=(height, width),
            channel_order="grey" if channels == 1 else "RGB",
            mean=tuple(float(f"{value:.6g}") for value in mean),
            std=tuple(float(f"{value:.6g}") for value in std),
            background=images.background,
            ranges=images.ranges,
            **more,
        )

    @property
    def predicted(self) -> tuple[str, ...]:
        """The names of the outputs, where an image file can be answered for: classes, labels or quantities."""
        if self.task in ("multilabel", "regression"):
            return self.components
        return self.classes

    @property
    def look(self) -> Look:
        return Look(self.image_size, self.channel_order == "grey", self.background, dict(self.ranges))

    @property
    def facts(self) -> dict[str, Any]:
        """The facts by name, as values of JSON."""
        mine: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        told = mine.pop("told")
        if not self.components:
            del mine["components"]
        fixed = {"lapt": __version__, "input": INPUT, "output": OUTPUT, "layout": "NCHW, float32, any batch"}
        return {**mine, **fixed, "normalisation": "in the network", "resize": RESIZE, **told}

    @property
    def as_texts(self) -> dict[str, str]:
        """The facts as the metadata of an ONNX model: text as it is, other values as JSON."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.facts.items()}

    @classmethod
    def read(cls, facts: Mapping[str, Any], where: str) -> Self:
        """The card with these facts, of which it takes its own. Raises ConfigError if ``where`` has no such facts."""
        names = (*IN_PYTHON, "space", "architecture")
        try:
            found = {name: facts[name] for name in names if name in facts}
            height, width = found.pop("image_size")
            low, high = found.pop("value_range")
            ranges = {depth: (float(a), float(b)) for depth, (a, b) in found.pop("ranges").items()}
            lists: dict[str, Any] = {name: tuple(found.pop(name)) for name in ("classes", "mean", "std")}
            lists["components"] = tuple(found.pop("components", ()))
            return cls(image_size=(height, width), value_range=(low, high), ranges=ranges, **lists, **found)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ConfigError(
                f"an export of LAPT with its classes and preprocessing in {where}",
                "none, or one of an earlier version",
                "write it again: lapt export RUN",
            ) from None

    @classmethod
    def read_texts(cls, texts: Mapping[str, str], where: str) -> Self:
        """As ``read``, from the metadata of an ONNX model."""
        values = {name: text if name in _TEXTS else _value(text) for name, text in texts.items()}
        return cls.read(values, where)


_TEXTS = ("task", "channel_order", "background", "space", "architecture")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
