"""Declarations of pipelines, as a store holds them."""

from __future__ import annotations

import json

from lapt.algorithms import EARLIER
from lapt.pipeline.config import Pipeline


def declared(config: str) -> Pipeline:
    """The pipeline in a stored JSON text. Raises ValidationError for one that is declared in another way now.

    Without a key of ``EARLIER`` it is of a version that did as is said there.
    """
    found = json.loads(config)
    if "adaptation" in found:
        found["adaptation"] = EARLIER | found["adaptation"]
    return Pipeline.model_validate_json(json.dumps(found))
