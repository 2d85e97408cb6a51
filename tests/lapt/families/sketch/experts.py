"""Principles that experts might have found before about sketches."""

from __future__ import annotations

from lapt.reasoning.experts.principle import ExpertPrinciple
from lapt.spaces import Architecture
from sketch.cell import SketchFamily


def _first(cell: SketchFamily, architecture: Architecture) -> bool:
    return cell.working(architecture)[:1] == ["conv"]


EXPERTS = (ExpertPrinciple("A convolution comes first.", "the test", _first, (("a", "conv", "keep"),)),)
