"""Hand-made networks among the controls of a run: what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.build import build, hand_made
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, load_pipeline


@pytest.mark.parametrize("tested", [True, False])
def test_they_need_test_images(tested: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.integers(0, 256, (20, 8, 8)).astype("uint8"), "y_train": np.arange(20) % 2}
    if tested:
        arrays |= {"x_test": arrays["x_train"][:4], "y_test": arrays["y_train"][:4]}
    np.savez(tmp_path / "data.npz", **arrays)
    changes = [f"evaluator.data={tmp_path / 'data.npz'}", "targets=[classification]", "controls=[plain_cnn]"]
    pipeline, execution = load_pipeline("digits", changes), Execution(store=str(tmp_path / "store"))
    if tested:
        made = hand_made(build(pipeline, execution))
        assert made is not None
        assert made.space.encode(next(made.space.members())) == "plain_cnn"
    else:
        with pytest.raises(ConfigError, match="test images of classification, by which hand-made networks"):
            build(pipeline, execution)
