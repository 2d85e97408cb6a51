"""The facts that exports carry, and the way from an image file to their input: the same in every format."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lapt.data.facts import Images
from lapt.data.folders import load_folder
from lapt.data.images import DataSets, ImageData, standing_in
from lapt.data.reading import Reading
from lapt.errors import ConfigError, DataError
from lapt.export.onnx import onnx_model
from lapt.export.source import _constants as constants_of
from lapt.export.source import python_source
from lapt.export.weights import with_config
from lapt.inference.card import Card
from lapt.inference.predictions import Wanted, accuracy, check_predicts, predictions, wanted_in
from lapt.inference.runtimes import Opened, _constants, opened
from lapt.networks import backbone
from lapt.spaces import BUILTIN
from lapt.training.network import TaskNetwork, build
from lapt.training.tasks import TASKS, make_task

SPACE = BUILTIN["nas201"]
CELL = SPACE.decode("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
SIZE: dict[str, Any] = {"channels": 2, "cells": 1}
RANGES = st.dictionaries(st.sampled_from(["8-bit", "16-bit", "float"]), st.tuples(st.floats(0, 9), st.floats(10, 99)))
NAMES = st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=30, unique=True).map(tuple)
TARGETS: dict[str, Callable[[int], torch.Tensor]] = {
    "segmentation": lambda side: torch.arange(side * side).reshape(1, side, side) % 5,
    "surface_normal": lambda side: torch.rand(1, 3, side, side),
    "room_layout": lambda side: torch.rand(1, 7),
    "multilabel": lambda side: torch.ones(1, 4),
    "regression": lambda side: torch.tensor([[0.5, -4]]),
}


def built(images: Images, task: str = "classification") -> TaskNetwork:
    channels = images.shape[0]
    made = build(
        lambda: backbone(SPACE, CELL, **SIZE, image_channels=channels), make_task(task, standing_in(images)), seed=1
    )
    made.normalise_by(torch.full((channels,), 0.4), torch.full((channels,), 0.3))
    return made.eval()


def written(images: Images, folder: Path) -> Path:
    """A Python export in the folder, with its weights beside it."""
    channels = images.shape[0]
    card = Card.of_images(images, "classification", [0.4] * channels, [0.3] * channels)
    source = python_source(SPACE, CELL, make_task("classification", standing_in(images)), card, **SIZE)
    (folder / "net.py").write_text(source)
    torch.save(built(images).state_dict(), folder / "net.pt")
    return folder / "net.py"


def executed(path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "exported", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace


@given(NAMES, RANGES, st.sampled_from([1, 3]), st.sampled_from(["white", "black"]))
def test_facts_are_the_same_in_every_format(
    names: tuple[str, ...], ranges: Any, channels: int, background: Any
) -> None:
    images = Images("a folder", "0" * 64, (channels, 9, 12), names, background, ranges)
    assert Images.of(images.as_json) == images
    card = Card.of_images(
        images, "classification", [0.1] * channels, [0.2] * channels, space="nas201", architecture="333"
    )
    assert Card.read_texts(card.as_texts, "metadata") == card
    assert Card.read(json.loads(json.dumps(card.facts)), "weights") == card
    assert card.look == images.look


@given(NAMES, RANGES, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_constants_of_a_python_file_are_its_facts(names: tuple[str, ...], ranges: Any, mean: list[float]) -> None:
    card = Card.of_images(Images("a folder", "", (3, 8, 9), names, "black", ranges), "classification", mean, mean)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "read_text", lambda *_, **__: constants_of(card))
        assert Card.read(_constants(Path("net.py")), "net.py") == card


@pytest.mark.parametrize("name", sorted({task.name for task in TASKS.values()}))
def test_what_stands_in_for_images_has_their_network(name: str) -> None:
    side = 12
    targets = TARGETS[name](side).repeat_interleave(2, 0) if name in TARGETS else None
    if name == "regression":
        targets[1] += 1  # the same for all is refused
    data = ImageData(torch.zeros((2, 3, side, side), dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), targets)
    noted = Images.of(DataSets(data, lambda: None).noted("somewhere").as_json)
    whole, instead = make_task(name, data), make_task(name, standing_in(noted))
    shapes = [{key: tensor.shape for key, tensor in task.head(8, 4).state_dict().items()} for task in (whole, instead)]
    assert shapes[0] == shapes[1]
    assert (whole.shape, whole.classes, whole.settings) == (instead.shape, instead.classes, instead.settings)


# --- an image file becomes the input -------------------------------------------------------------------------------
def turned(image: Image.Image, path: Path) -> None:
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)


def noise(*shape: int, dtype: str = "uint8", most: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most, shape).astype(dtype)


KINDS: dict[str, Callable[[Path], None]] = {
    "colour.png": lambda path: Image.fromarray(noise(40, 30, 3)).save(path),
    "large.jpg": lambda path: Image.fromarray(noise(200, 333, 3)).resize((900, 500)).save(path),
    "grey.jpg": lambda path: Image.fromarray(noise(60, 90)).save(path),
    "turned.jpg": lambda path: turned(Image.fromarray(noise(90, 64, 3)), path),
    "clear.png": lambda path: Image.fromarray(noise(33, 33, 4)).save(path),
    "grey_clear.png": lambda path: Image.fromarray(noise(33, 21, 2)).save(path),
    "palette.gif": lambda path: Image.fromarray(noise(20, 31, 3)).convert("P").save(path),
    "bits.png": lambda path: Image.fromarray(noise(20, 31) > 99).save(path),
    "cmyk.jpg": lambda path: Image.fromarray(noise(20, 31, 4), "CMYK").save(path),
    "deep.png": lambda path: Image.fromarray(noise(22, 27, dtype="uint16", most=4096)).save(path),
    "deeper.tif": lambda path: Image.fromarray(noise(22, 27, dtype="int32", most=90_000)).save(path),
    "real.tif": lambda path: Image.fromarray(noise(22, 27).astype("float32") / 99).save(path),
    "mask.png": lambda path: Image.fromarray(noise(22, 27, most=4)).save(path),
    "mask_clear.png": lambda path: Image.fromarray(
        np.dstack([noise(22, 27, 3, most=4), noise(22, 27)])
    ).save(path),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_both_exports_read_a_file_as_the_training_did(name: str, tmp_path: Path) -> None:
    """The training images are two of one kind; the tensor of the training has the pixels that the exports see."""
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        KINDS[name](tmp_path / "data" / label / name)
    data = load_folder(tmp_path / "data", Reading(size=9, background="black"))
    expected = data.train.images[:1].float() / 255
    assert expected.max() > expected.min()
    images = data.noted("data")
    path, file = written(images, tmp_path), tmp_path / "data" / "a" / name
    exported = executed(path)
    assert exported["read"](str(file)).equal(expected)
    network = exported["load"](str(tmp_path / "net.pt"))
    with torch.no_grad():
        shares = dict(zip(("a", "b"), network(expected)[0].softmax(0).tolist(), strict=True))
    by_file = exported["predict"](str(file))
    (by_lapt,) = predictions(opened(path), [Wanted(file)], 2)
    assert dict(by_file) == pytest.approx(shares)
    assert dict(by_lapt.values) == pytest.approx(shares)
    assert [one for one, _ in by_file] == [one for one, _ in by_lapt.values] == sorted(shares, key=lambda k: -shares[k])


def test_a_depth_that_no_training_image_had_is_refused(tmp_path: Path) -> None:
    KINDS["deep.png"](tmp_path / "deep.png")
    path = written(Images("data", "", (1, 9, 9), ("a", "b")), tmp_path)
    with pytest.raises(ValueError, match="expected 8 bits, as of the training images; got 16-bit"):
        executed(path)["predict"](str(tmp_path / "deep.png"))
    (found,) = predictions(opened(path), [Wanted(tmp_path / "deep.png")], 2)
    assert found.error == "16-bit values, which no training image had"


# --- exports that are opened ---------------------------------------------------------------------------------------
IMAGES = Images("data", "", (3, 9, 9), ("a", "b"))


def test_exports_that_cannot_be_used_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(IMAGES, tmp_path)
    (tmp_path / "old.py").write_text(path.read_text().replace("MEAN = ", "AVERAGE = "))
    (tmp_path / "untrained.py").write_text(path.read_text().replace("TRAINED = True", "TRAINED = False"))
    (tmp_path / "alone.py").write_text(path.read_text())
    (tmp_path / "torn.py").write_text(path.read_text()[:-200] + "(")
    (tmp_path / "no.onnx").write_text("no model")
    for name, said in (
        (
            "old.py",
            "an export of LAPT with its classes and preprocessing in .*; got none, or one of an earlier version",
        ),
        ("untrained.py", "got one that was exported untrained; export what a run trained"),
        ("alone.py", "the weights of .*alone.py in .*alone.pt; got no such file"),
        ("torn.py", "expected a Python file at .*torn.py"),
        ("no.onnx", "expected an ONNX model in .*no.onnx; got .*write it again"),
        ("none.onnx", "got no such file"),
        ("net.pt", r"expected the \.onnx or \.py file of an export; got the weights"),
    ):
        with pytest.raises(ConfigError, match=said):
            opened(tmp_path / name)
    with pytest.raises(ConfigError, match="which it cannot load"):
        opened(path, tmp_path / "no.onnx")
    for package, name, line in (("onnxruntime", "no.onnx", r"lapt\[export\]"), ("torch", "net.py", r"lapt\[train\]")):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, package, None)
            with pytest.raises(ConfigError, match=f"an environment without it; pip install '{line}'"):
                opened(tmp_path / name)


def test_tasks_whose_outputs_have_no_names_are_refused(tmp_path: Path) -> None:
    images = Images("data", "", (3, 9, 9))
    task = make_task("autoencoding", standing_in(images))
    card = Card.of_images(images, "autoencoding", [0.4] * 3, [0.3] * 3)
    (tmp_path / "net.py").write_text(python_source(SPACE, CELL, task, card, **SIZE))
    (tmp_path / "net.pt").write_bytes(with_config(saved(built(images, "autoencoding"), tmp_path), {}))
    with pytest.raises(ConfigError, match=r"an export of classes, labels or quantities.*; got .*task is autoencoding"):
        check_predicts(opened(tmp_path / "net.py"), tmp_path / "net.py")


@pytest.mark.parametrize("task", ["multilabel", "regression"])
@pytest.mark.parametrize("suffix", [".py", pytest.param(".onnx", marks=pytest.mark.integration)])
def test_labels_and_quantities_are_predicted_by_name(task: str, suffix: str, tmp_path: Path) -> None:
    """By ``lapt predict``, and by the file's own function: as the network itself says."""
    images = Images("list.csv", "", (3, 9, 9), (), target=(2,), components=("red", 'a "quoted" one'))
    network = built(images, task)
    if task == "regression":
        network.head[-1].mean.copy_(torch.tensor([40.0, -3e5]))  # type: ignore[index, union-attr, operator]
        network.head[-1].deviation.copy_(torch.tensor([7.0, 1e4]))  # type: ignore[index, union-attr, operator]
    card = Card.of_images(images, task, [0.4] * 3, [0.3] * 3)
    path, made = tmp_path / f"net{suffix}", make_task(task, standing_in(images))
    if suffix == ".py":
        path.write_text(python_source(SPACE, CELL, made, card, **SIZE))
        (tmp_path / "net.pt").write_bytes(with_config(saved(network, tmp_path), {}))
    else:
        path.write_bytes(onnx_model(network, (3, 9, 9), card))
    file = tmp_path / "one.png"
    pixels = noise(9, 9, 3)
    Image.fromarray(pixels).save(file)
    with torch.no_grad():
        output = network(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)[0]
    wanted = output.sigmoid() if task == "multilabel" else output
    by_name = dict(zip(images.components, wanted.tolist(), strict=True))
    export = opened(path)
    check_predicts(export, path)
    (found,) = predictions(export, wanted_in([file], ()), 5)
    assert dict(found.values) == pytest.approx(by_name, rel=1e-4)
    likely = sorted(by_name, key=lambda name: -by_name[name])
    assert [name for name, _ in found.values] == (likely if task == "multilabel" else list(images.components))
    if suffix == ".py":
        code = f"import net; print(dict(net.predict({str(file)!r})))"
        said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ast.literal_eval(said.stdout) == pytest.approx(by_name, rel=1e-4)


def saved(network: TaskNetwork, folder: Path) -> bytes:
    torch.save(network.state_dict(), folder / "state.pt")
    return (folder / "state.pt").read_bytes()


@pytest.mark.integration
def test_an_onnx_model_carries_the_facts_and_any_batch(tmp_path: Path) -> None:
    import onnx

    card = Card.of_images(IMAGES, "classification", [0.4] * 3, [0.3] * 3, told={"run": "one", "test": 90.5})
    model = onnx_model(built(IMAGES), (3, 9, 9), card)
    (tmp_path / "net.onnx").write_bytes(model)
    parsed = onnx.load_from_string(model)
    facts = {prop.key: prop.value for prop in parsed.metadata_props}
    assert facts["classes"] == '["a", "b"]'
    assert (facts["run"], facts["test"], facts["input"], facts["output"]) == ("one", "90.5", "images", "output")
    assert [one.name for one in (*parsed.graph.input, *parsed.graph.output)] == ["images", "output"]
    assert {parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_param} == {"batch"}
    export = opened(tmp_path / "net.onnx")
    with torch.no_grad():
        for count in (1, 2, 7):
            images = torch.rand(count, 3, 9, 9)
            assert np.abs(export.run(images.numpy()) - built(IMAGES)(images).numpy()).max() < 1e-4


# --- folders, and the share of right answers ------------------------------------------------------------------------
def test_folders_named_after_classes_are_counted(tmp_path: Path) -> None:
    """The network answers by the mean of the image: below one half it is a, else b."""
    card = Card.of_images(Images("", "", (1, 8, 8), ("a", "b")), "classification", [0.0], [1.0])
    export = Opened(card, lambda images: np.stack([0.5 - images.mean((1, 2, 3)), images.mean((1, 2, 3)) - 0.5], axis=1))
    for name, level in (("a/1", 0), ("a/2", 255), ("b/deep/1", 200), ("other/1", 9), ("b/2", 128)):
        file = tmp_path / "images" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), level).save(file)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "b" / "torn.png").write_text("no image")
    wanted = wanted_in([tmp_path / "images", tmp_path / "images" / "a" / "1.png"], card.classes)
    heard: list[tuple[int, int]] = []
    found = list(predictions(export, wanted, 1, lambda done, total: heard.append((done, total))))
    assert [one.wanted.label for one in found] == ["a", "a", "b", "b", "b", None, None]
    assert [one.values[0][0] if one.values else None for one in found] == ["a", "b", "b", "b", None, "a", "a"]
    assert found[4].error == "UnidentifiedImageError: no image of a known kind"
    assert accuracy(found) == (3, 4, 75.0)
    assert heard == [(0, 7), (7, 7)]
    (tmp_path / "empty").mkdir()
    for path, said in ((tmp_path / "empty", "expected images in"), (tmp_path / "none", "no such file")):
        with pytest.raises(DataError, match=said):
            wanted_in([path], card.classes)
