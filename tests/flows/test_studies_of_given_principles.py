"""Files of principles in a study of reasoners: each is a row of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flows.studies.entrants.variants import reasoners
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, load_pipeline


def given(folder: Path, file: str, adviser: str | None, operator: str = "nor_conv_3x3") -> Pipeline:
    """A pipeline whose reasoner states one principle."""
    said = {
        "condition": {"count": {"operators": [operator], "at_least": 2}},
        **({"adviser": adviser} if adviser else {}),
    }
    path = folder / file
    path.write_text(yaml.safe_dump({"version": 1, "space": "nas201", "principles": [said]}))
    return load_pipeline("invented", reasoner=f"stated:{path}")


def names(*named: Pipeline) -> set[str | None]:
    return {entrant.reasoner for entrant in reasoners(load_pipeline("invented"), named, 1)}


def test_files_are_told_apart_by_their_advisers(tmp_path: Path) -> None:
    one, two = given(tmp_path, "one.yaml", "draw 1"), given(tmp_path, "two.yaml", "draw 2", "nor_conv_1x1")
    assert names(one, two) >= {
        "stated (draw 1)", "stated (draw 2)", "patterns+stated (draw 1)", "patterns+stated (draw 2)", "patterns"
    }  # fmt: skip
    assert names(given(tmp_path, "none.yaml", None)) >= {"stated", "patterns+stated"}


@pytest.mark.parametrize("adviser", ["draw 1", None])
def test_two_files_of_one_name_are_refused_and_one_file_twice_is_one_row(tmp_path: Path, adviser: str | None) -> None:
    one, two = given(tmp_path, "one.yaml", adviser), given(tmp_path, "two.yaml", adviser, "nor_conv_1x1")
    with pytest.raises(ConfigError, match="rows are told apart; got two that are stated"):
        names(one, two)
    assert names(one, one) == names(one)
