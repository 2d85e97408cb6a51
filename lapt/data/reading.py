"""Settings for reading images, as a pipeline declares them. Needs no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lapt.base.declarations import Frozen, added

SMALLEST = 8
"""Smallest side of images in pixels."""


def _sides(size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
    for side in (size,) if isinstance(size, int) else size or ():
        if side < SMALLEST:
            raise ValueError(f"sides of {SMALLEST} pixels or more are expected; got {side}")
    return size


class Sample(Frozen):
    """A part of a folder of images, always the same: classes, and images of each, drawn by a fixed seed."""

    classes: int | None = Field(None, ge=2, description="largest number of classes; all if unset")
    images: int | None = Field(None, ge=2, description="largest number of training images a class; all if unset")

    @model_validator(mode="after")
    def _says_something(self) -> Sample:
        if self.classes is None and self.images is None:
            raise ValueError("a sample needs classes or images, such as {classes: 100, images: 300}")
        return self


class Reading(Frozen):
    """Settings of images that come as files. The digest of the data shows their effect on the pixels."""

    size: Annotated[int | tuple[int, int] | None, AfterValidator(_sides)] = Field(
        None, description="side of a folder's images in pixels, after resizing, or their height and width: [48, 96]"
    )
    background: Literal["white", "black"] = added("white", description="background of transparent images")
    # 2^27 in RGB are 0.5 GB, and as much again while they are converted; telephones take pictures of 108 million.
    max_pixels: int = added(2**27, ge=1, description="of an image file; a larger one is refused without reading")
    max_bytes: int = added(2**32, ge=1, description="of an unpacked .npz file; a larger one is refused")
    sample: Sample | None = added(
        None, description="part of a folder that a supernet learns from; the final training has all of it"
    )
    # They change no pixel, so they are no part of what a score is known by.
    in_memory: int = added(
        2**29, ge=0, description="bytes of decoded images that every process may hold; more are kept on disk"
    )
    max_cache: int = added(2**36, ge=1, description="bytes of all decoded images on disk; the oldest sets are removed")

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """``size`` as two sides; None if it is unset."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size
