"""Exports whose images are gone, and of which nothing was noted."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from flows.exports.files import Exported, guessed_images
from lapt.data.facts import Images
from lapt.errors import ConfigError
from lapt.evaluators.images import TrainingSpec
from lapt.export import ExportError
from lapt.spaces import BUILTIN

SPACE = BUILTIN["nas201"]
CELL = SPACE.decode("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
IMAGES = Images("gone", "", (1, 8, 8), ("a", "b", "c"))


def spec(**changed: Any) -> TrainingSpec:
    return TrainingSpec(space=SPACE, data="gone", **{"task": "classification", "channels": 2, "size": 8, **changed})


def state() -> bytes:
    buffer = io.BytesIO()
    torch.save(Exported(spec(), CELL, IMAGES, None).network.state_dict(), buffer)
    return buffer.getvalue()


def test_weights_tell_channels_and_the_number_of_classes() -> None:
    found = guessed_images(spec(), state())
    assert (found.shape, found.classes) == ((1, 8, 8), ("class 0", "class 1", "class 2"))
    assert set(Exported(spec(), CELL, found, state()).content("python")) == {".py", ".pt"}


@pytest.mark.parametrize("changed", [{"size": None}, {"task": "autoencoding"}])
def test_where_they_do_not_tell_enough_the_images_are_asked_for(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"expected the images gone, .* kept no note; got none there; restore them"):
        guessed_images(spec(**changed), state())


def test_weights_of_other_classes_are_one_line() -> None:
    other = Images("gone", "", (1, 8, 8), ("a", "b"))
    with pytest.raises(ExportError, match=r"weights of a network for 2 classes of gone; got .*size mismatch"):
        Exported(spec(), CELL, other, state()).content("python")


def test_without_weights_there_is_code_and_no_file_of_weights() -> None:
    exported = Exported(spec(), CELL, IMAGES, None)
    (source,) = exported.content("python").values()
    assert b"\nTRAINED = False" in source
    assert b"Not trained: its weights are random." in source
    with pytest.raises(ConfigError, match="of which the store has no weights; train it with --train"):
        exported.content("state-dict")
