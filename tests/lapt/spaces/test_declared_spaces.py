"""Declared spaces: what is written is read back, what cannot be told apart is refused, and a space travels whole."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lapt.errors import ConfigError, LaptError, SpaceError
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.parts import EVERY_PART
from lapt.spaces import Architecture, DeclaredSpace, SearchSpace, space_named
from lapt.spaces.declared import ambiguity

DECLARATION: dict[str, Any] = {
    "name": "mine",
    "encoding": "{stem}-{block}{exit}",
    "layers": [
        {"name": "stem", "operators": ["conv", "patch"]},
        {"name": "block", "operators": ["conv", "dense", "none"]},
        {"name": "exit", "operators": ["none", "attention"]},
    ],
    "codes": {"none": "", "attention": "+att"},
    "meanings": {"patch": "4x4 patches"},
}
SPACE = space_named(DeclaredSpace.model_validate(DECLARATION))
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Up to four layers, some with sources, separated or not."""
    words = st.sampled_from(["a", "b", "ab", "ba", "aa", "c3", "x"])
    texts = st.sampled_from(["", "a", "b", "ab", "ba", "1", "|"])
    layers, encoding = [], draw(texts)
    for at in range(draw(st.integers(1, 4))):
        name = f"l{at}"
        sources = draw(st.lists(words, min_size=1, max_size=2, unique=True))
        layers.append({"name": name, "operators": draw(st.lists(words, min_size=1, unique=True)), "sources": sources})
        encoding += f"{{{name}}}" + draw(texts)
        if len(sources) > 1 or draw(st.booleans()):
            encoding += f"{{{name}:source}}" + draw(texts)
    names = {word for layer in layers for word in (*layer["operators"], *layer["sources"])}
    codes = draw(st.dictionaries(st.sampled_from(sorted(names)), texts))
    declared = {"name": "drawn", "encoding": encoding, "layers": layers, "codes": codes}
    try:
        return space_named(DeclaredSpace.model_validate(declared))
    except ConfigError:
        assume(False)
        raise


@settings(deadline=None)
@given(space=spaces(), seed=SEEDS)
def test_what_is_written_is_read_back(space: SearchSpace, seed: int) -> None:
    architecture = space.sample(np.random.default_rng(seed))
    assert space.decode(space.encode(architecture)) == architecture
    assert space.canonical(architecture) == architecture


@settings(deadline=None)
@given(space=spaces(), seed=SEEDS)
def test_moves_and_restrictions(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    architecture, other = space.sample(rng), space.sample(rng)
    if space.size > 1:
        moved = space.mutate(architecture, rng)
        assert space.contains(moved)
        assert moved != architecture
    one, two = (
        space.restrict(
            {layer.name: [operator] for layer, operator in zip(space.layers, a.operators, strict=True)},
            {layer.name: [source] for layer, source in zip(space.layers, a.sources, strict=True)},
        )
        for a in (architecture, other)
    )
    both = one.union(two)
    assert one.size == two.size == 1
    assert both.contains(architecture)
    assert both.contains(other)
    assert both == two.union(one)
    assert both.intersect(one) == one
    assert space.union(both) == space
    for space_of_any in (space, both):
        assert SearchSpace.model_validate_json(space_of_any.model_dump_json()) == space_of_any
        again = pickle.loads(pickle.dumps(space_of_any))
        assert again == space_of_any
        assert hash(again) == hash(space_of_any)
        assert again.encode(architecture) == space.encode(architecture)


@settings(deadline=None)
@given(st.lists(st.lists(st.text("ab", max_size=3), min_size=1, max_size=3, unique=True), min_size=1, max_size=5))
def test_ambiguity_is_two_choices_of_one_text(parts: list[list[str]]) -> None:
    texts = Counter("".join(chosen) for chosen in product(*parts))
    assert (ambiguity(parts) is not None) == (max(texts.values()) > 1)


def test_a_text_of_no_architecture_is_refused() -> None:
    assert SPACE.decode("patch-dense+att") == Architecture(("patch", "dense", "attention"), ("input",) * 3)
    for text in ("", "patch", "patch-", "patch-dense-", "patch-dense+att\n", "Patch-dense"):
        if text == "patch-":
            assert SPACE.decode(text).operators == ("patch", "none", "none")
            continue
        with pytest.raises(SpaceError, match=r"an architecture of mine, written as \{stem\}"):
            SPACE.decode(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": [*DECLARATION["layers"], DECLARATION["layers"][0]]}, "stem twice"),
        ({"layers": []}, "layers"),
        ({"layers": [{"name": "stem", "operators": []}]}, "at least one candidate operator on layer stem"),
        ({"layers": [{"name": "stem", "operators": ["a", "a"]}]}, "distinct candidate operators on layer stem"),
        ({"layers": [{"name": "s t", "operators": ["a"]}]}, r"layers\.0\.name"),
        ({"encoding": "{stem}-{block}"}, r"without \{exit\}"),
        ({"encoding": "{stem}-{block}{exit}{stem}"}, r"with \{stem\}"),
        ({"encoding": "{stem}-{block}{exit}{head}"}, r"with \{head\}"),
        ({"encoding": "{stem}-{block}{exit}}"}, r"with }"),
        ({"codes": {"dense": "conv"}}, r"what block chose; .*'conv' or 'conv' in one text"),
        ({"codes": {"none": "", "dense": "conv+att", "attention": "+att"}}, "what block chose"),
        ({"codes": {"convolution": "c"}}, r"\['convolution'\]"),
        ({"codes": {"conv": 3}}, "the entry .conv.: 3 is no text, quote it"),
        ({"codes": {False: "n"}}, "the entry False: .n. is no text"),
        ({"name": "NAS201"}, "that no built-in one has"),
        ({"name": "../x"}, "name"),
        ({"size": 3}, "'encoding'"),
        (
            {
                "layers": [
                    *DECLARATION["layers"][:2],
                    {"name": "exit", "operators": ["none", "attention"], "sources": ["a", "b"]},
                ]
            },
            r"without \{exit:source\}",
        ),
    ],
)
def test_a_wrong_declaration_is_one_line(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(DECLARATION | change))
    with pytest.raises(LaptError, match=words) as raised:
        space_named(str(path))
    assert "\n" not in str(raised.value)


def test_hostile_declarations_are_refused_or_understood(tmp_path: Path) -> None:
    """200 of them: keys and values replaced, and the text itself."""
    rng, path = np.random.default_rng(0), tmp_path / "mine.yaml"
    junk = [None, -1, 1e400, True, "", "{", "{stem}", "{stem:source}", "\ud800", "x" * 10_000, [], [[]], {}, {"a": {}}]
    texts = ["{", "}", "[", ":", "&a ", "*a", "!!python/object/apply:os.getcwd []", "\x00", "2024-13-45", "- ", "\n"]

    def changed(value: Any) -> Any:
        if rng.random() < 0.05:
            return junk[int(rng.integers(len(junk)))]
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items() if rng.random() > 0.05}
        return [changed(one) for one in value] if isinstance(value, list) else value

    understood, faults = 0, list[str]()
    for number in range(200):
        text = yaml.safe_dump(changed(DECLARATION) if number % 2 else DECLARATION)
        for _ in range(0 if number % 2 else 3):
            at = int(rng.integers(len(text)))
            text = text[:at] + texts[int(rng.integers(len(texts)))] + text[at + int(rng.integers(3)) :]
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            space = space_named(str(path))
        except LaptError as error:
            faults.append(str(error))
        else:
            understood += 1
            assert space.decode(space.encode(next(space.members()))) == next(space.members())
    assert not any("\n" in fault for fault in faults)
    assert understood > 5
    assert len(set(faults)) > 50


@pytest.mark.parametrize("space", ["nas202", "missing.yaml", "x" * 5_000, "a\0b", ".", ""])
def test_a_space_that_is_nowhere(space: str) -> None:
    with pytest.raises(ConfigError, match=r"a search space among .*'darts'.* or the path of a YAML file"):
        space_named(space)


def test_predictors_see_choices_and_counts_however_the_space_was_refined() -> None:
    refined = SPACE.restrict({"stem": ["patch"]})
    assert SPACE.family.feature_names == refined.family.feature_names == (
        "conv on stem", "patch on stem", "conv on block", "dense on block", "none on block", "none on exit",
        "attention on exit", "layers with conv", "layers with none",
    )  # fmt: skip
    found = refined.family.features([SPACE.decode("patch-"), SPACE.decode("conv-conv+att")])
    assert found.tolist() == [[0, 1, 0, 0, 1, 1, 0, 0, 2], [1, 0, 1, 0, 0, 0, 1, 2, 0]]
    assert SPACE.family.blocks == (slice(7), slice(7, None))
    assert applying(SPACE) == ()


def test_a_prompt_says_what_was_declared_and_nothing_else() -> None:
    said = Briefing.of(SPACE, EVERY_PART, 0).variables()
    assert said["meanings"] == {"patch": "4x4 patches"}  # none: there is no edge that it could be
    assert said["paths"] is None
    namespace: dict[str, Any] = {}
    exec(said["code"], namespace)
    assert namespace["LAYERS"] == {layer.name: list(layer.operators) for layer in SPACE.layers}


# --- pipelines -------------------------------------------------------------------------------------------------------
@pytest.fixture
def pipeline_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the current folder, with the space beside it."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(DECLARATION))
    pipeline = {
        "name": "p", "space": "mine.yaml", "evaluator": {"kind": "table", "table": "t"},
        "source": {"task": "a"}, "targets": ["b"],
    }  # fmt: skip
    Path("p.yaml").write_text(yaml.safe_dump(pipeline))
    return tmp_path / "p.yaml"


def test_a_pipeline_holds_what_the_file_said(pipeline_file: Path) -> None:
    pipeline = load_pipeline("p.yaml")
    Path("mine.yaml").unlink()
    again = Pipeline.model_validate_json(pipeline.model_dump_json())
    assert again == pipeline
    assert space_named(again.space) == SPACE
    assert again.model_dump(mode="json")["space"]["codes"] == DECLARATION["codes"]


def test_a_changed_file_is_another_pipeline(pipeline_file: Path) -> None:
    before = load_pipeline("p.yaml")
    assert load_pipeline(str(pipeline_file)) == before
    Path("mine.yaml").write_text(yaml.safe_dump(DECLARATION | {"codes": {"none": "", "attention": "+a"}}))
    assert load_pipeline("p.yaml") != before
