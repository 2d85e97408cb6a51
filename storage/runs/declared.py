"""Declarations of pipelines, as a store holds them."""

from __future__ import annotations

import json

from lapt.pipeline.config import Pipeline


def declared(config: str) -> Pipeline:
    """The pipeline in a stored JSON text. Raises ValidationError for one that is declared in another way now.

    Without ``adaptation.refuted`` it is of a version that kept refuted advisers.
    """
    found = json.loads(config)
    found.get("adaptation", {}).setdefault("refuted", "keep")
    return Pipeline.model_validate_json(json.dumps(found))
