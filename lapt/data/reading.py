"""Settings for reading images, as a pipeline declares them. Needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lapt.base.declarations import added


class Reading(BaseModel):
    """Settings of images that come as files. The digest of the data shows their effect on the pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int | None = Field(None, ge=8, description="side in pixels that images of a folder get")
    background: Literal["white", "black"] = added("white", description="what transparent images are laid on")
    # 2^27 in RGB are 0.5 GB, and as much again while they are converted; telephones take pictures of 108 million.
    max_pixels: int = added(2**27, ge=1, description="of an image file; a larger one is refused unread")
    max_bytes: int = added(2**32, ge=1, description="that an .npz file may unpack to; a larger one is refused unread")
