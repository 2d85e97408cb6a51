"""A part of a folder of images, for a supernet that is searched before all images are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from flows.evaluators import final_spec
from lapt.data.layout import Layout, PassedOver, sampled
from lapt.data.reading import Sample
from lapt.data.sources import load_images
from lapt.errors import DataError, Notice
from lapt.evaluators.config import SupernetEvaluation, TrainingEvaluation
from lapt.evaluators.images import TrainingSpec, data_of
from lapt.pipeline.config import load_pipeline
from lapt.spaces import BUILTIN


def layout(classes: int, images: int) -> Layout:
    def split(name: str, each: int) -> dict[str, list[Path]]:
        return {f"class {c}": [Path(f"{name}/{c}/{i}.png") for i in range(each)] for c in range(classes)}

    return Layout(split("train", images), {}, split("val", 2), {}, PassedOver(Path()))


@given(st.integers(2, 30), st.integers(2, 12), st.integers(2, 40), st.integers(2, 20))
def test_a_sample_has_the_same_classes_in_every_split_and_all_test_images_of_them(
    classes: int, images: int, most_classes: int, most_images: int
) -> None:
    whole = layout(classes, images)
    part = sampled(whole, most_classes, most_images)
    assert len(part.train) == min(classes, most_classes)
    assert list(part.train) == list(part.test) == [name for name in whole.train if name in part.train]
    assert not part.validation
    for name, found in part.train.items():
        assert len(found) == min(images, most_images)
        assert found == [file for file in whole.train[name] if file in set(found)]  # in the order of their names
        assert part.test[name] == whole.test[name]
    assert sampled(whole, most_classes, most_images) == part
    larger = sampled(whole, most_classes + 1, most_images + 1)
    assert all(set(found) <= set(larger.train[name]) for name, found in part.train.items())
    assert sampled(whole, None, None) == whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, images in (("train", 6), ("val", 2)):
        for label in range(5):
            for number in range(images):
                path = tmp_path / split / f"class {label}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.new("RGB", (40, 40), (40 * label, 20 * number, 90))
                image.putpixel((20, 20), (255, 255, 255))
                image.save(path)
    return tmp_path


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_supernet_learns_from_a_sample_and_the_final_network_from_all(folder: Path) -> None:
    with pytest.warns(Notice, match="9 to train on .train., 6 for the test .val.; 3 classes of 5, a sample"):
        part = load_images(str(folder), sample=Sample(classes=3, images=3))
    assert (len(part.train), len(part.train.classes)) == (9, 3)
    config = SupernetEvaluation.model_validate(
        {"kind": "supernet", "data": str(folder), "sample": {"classes": 3, "images": 3}, "final": {"channels": 4}}
    )
    searched = TrainingSpec.of(config, BUILTIN["darts"], "classification", "cpu")
    final = final_spec(config, BUILTIN["darts"], "classification", "cpu")
    assert (len(data_of(searched).train), len(data_of(searched).train.classes)) == (9, 3)
    assert (len(data_of(final).train), len(data_of(final).train.classes)) == (30, 5)
    test = data_of(final).test()
    assert test is not None
    assert len(test) == 10
    assert data_of(searched).digest != data_of(final).digest


@pytest.mark.parametrize("source", ["digits", "images.npz", "list.csv"])
def test_what_is_no_folder_has_no_sample(source: str, tmp_path: Path) -> None:
    (tmp_path / source).touch()
    with pytest.raises(DataError, match=r"a folder of images, of which evaluator.sample takes a part; got .*limit"):
        load_images(source, tmp_path, sample=Sample(classes=2))


def test_wrong_samples_are_one_line() -> None:
    with pytest.raises(ValidationError, match="sample is a part of the images for a supernet"):
        TrainingEvaluation.model_validate({"kind": "training", "data": "images", "sample": {"classes": 2}})
    with pytest.raises(ValidationError, match="a sample needs classes or images"):
        Sample()
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Sample(classes=1)


def test_the_preset_of_table_5_trains_on_imagenet_as_published() -> None:
    pipeline = load_pipeline("darts_imagenet", ["evaluator.root=/data"])
    assert isinstance(pipeline.evaluator, SupernetEvaluation)
    final = final_spec(pipeline.evaluator, BUILTIN["darts"], "imagenet", "cpu")
    assert (final.channels, final.cells, final.stem, final.sample, final.size) == (48, 4, "imagenet", None, 224)
    assert (final.recipe.epochs, final.recipe.batch_size, final.recipe.label_smoothing) == (250, 128, 0.1)
    assert pipeline.evaluator.sample == Sample(classes=100, images=500)
    hand_made = load_pipeline("darts_imagenet", ["controls=[resnet18]"]).hand_made
    assert hand_made is not None
    assert isinstance(hand_made.evaluator, TrainingEvaluation)
    assert (hand_made.evaluator.sample, hand_made.evaluator.recipe.epochs) == (None, 250)
