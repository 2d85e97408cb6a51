"""CSV files that list images: one class, several labels or quantities each, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lapt.data.facts import Images
from lapt.data.images import ImageData, standing_in
from lapt.data.sources import load_images
from lapt.errors import DataError
from lapt.training.augment import Augmenter
from lapt.training.loop import train
from lapt.training.network import build
from lapt.training.recipe import Augmentation, Recipe
from lapt.training.tasks import make_task
from lapt.training.tasks.vectors import mean_average_precision

pytestmark = pytest.mark.filterwarnings("ignore::lapt.errors.Notice")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of 8 x 8 pixels, 0.png to 5.png, in a folder images; image n has the value 10 n + 20 and a corner."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        pixels = np.full((8, 8, 3), 10 * number + 20, dtype="uint8")
        pixels[0, 0] = 255
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def written(folder: Path, *lines: str, encoding: str = "utf-8") -> str:
    (folder / "list.csv").write_bytes("\n".join(lines).encode(encoding))
    return str(folder / "list.csv")


def shades(data: ImageData | None) -> list[int]:
    assert data is not None
    return [int(value) for value in torch.as_tensor(data.images[torch.arange(len(data))])[:, 0, 4, 4]]


def test_one_class_each_in_three_splits(folder: Path) -> None:
    found = load_images(
        written(
            folder, "file,split,label,remark", "images/3.png,train,b,x", "images/1.png,train,a,",
            "images/2.png,train,b,", "images/0.png,Validation,a,", "images/5.png,test,b,", "images/4.png,test,a,",
        )
    )  # fmt: skip
    assert found.train.classes == ("a", "b")
    assert (shades(found.train), found.train.labels.tolist()) == ([30, 40, 50], [0, 1, 1])
    assert shades(found.validation) == [20]
    test = found.test()
    assert test is not None
    assert (shades(test), test.labels.tolist()) == ([60, 70], [0, 1])
    assert found.train.targets is None


def test_without_a_split_all_are_for_training(folder: Path) -> None:
    found = load_images(written(folder, "file,label", *(f"images/{n}.png,{'ab'[n % 2]}" for n in range(6))))
    assert len(found.train) == 6
    assert (found.validation, found.test()) == (None, None)


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["file,labels", "images/0.png,x|y", "images/1.png,", "images/2.png, y | y"], "utf-8"),
        (["labels;file", "x|y;images/0.png", ";images/1.png", '"y";images/2.png'], "utf-8-sig"),
        (["file\tlabels", "images/0.png\ty|x", "images/1.png\t", "images/2.png\ty"], "utf-8"),
    ],
)
def test_several_labels_each(folder: Path, lines: list[str], encoding: str) -> None:
    found = load_images(written(folder, *lines, encoding=encoding))
    assert found.train.targets is not None
    assert found.train.components == ("x", "y")
    assert found.train.targets.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert found.train.classes == ()
    assert found.train.flippable


def test_quantities_have_their_columns_order_and_are_not_mirrored(folder: Path) -> None:
    found = load_images(written(folder, "age,file,weight", "-3,images/0.png,1e2", "4.5,images/1.png,7"))
    assert found.train.targets is not None
    assert found.train.components == ("age", "weight")
    assert found.train.targets.tolist() == [[-3, 100], [4.5, 7]]
    task = make_task("regression", found.train)
    assert not Augmenter(Augmentation(), task).flip
    assert Augmenter(Augmentation(flip=True), task).flip


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["name,label", "images/0.png,a"], "names each column once, file among them; got \\['label', 'name'\\]"),
        (["file,label,label", "images/0.png,a,b"], "names each column once"),
        (["file,label,labels", "images/0.png,a,a|b"], "a column label or a column labels in .*; got both"),
        (["file,label"], "images listed in .*; got no line below the header"),
        ([], "names each column once"),
        (["file,split", "images/0.png,train"], "a column label, a column labels, or columns of numbers"),
        (["file,label", "images/0.png"], "2 columns in line 2 of .*; got fewer"),
        (["file,label", "images/0.png,a,b"], "2 columns in line 2 of .*; got more"),
        (
            ["file,label", "images/0.png,a", "images/9.png,a", "no,b"],
            r"2 that are not there, \['images/9.png \(line 3\)",
        ),
        (["file,label", "images/0.png,a", "images/../images/0.png,b"], "each image once .*in lines 2 and 3"),
        (["file,label", "images/0.png,a", "images/1.png,"], "a class in line 3 of .*; got none"),
        (["file,split,label", "images/0.png,holiday,a"], "train, validation or test in line 2 .*'holiday'"),
        (["file,split,label", "images/0.png,test,a"], "got \\['a'\\], of validation or test images alone"),
        (
            ["file,split,label", "images/0.png,train,a", "images/1.png,val,b"],
            r"labels that training images of .* have; got \['b'\], of validation or test images alone",
        ),
        (["file,split,labels", "images/0.png,train,a", "images/1.png,test,a|c"], r"got \['c'\], of validation"),
        (["file,labels", "images/0.png,", "images/1.png, | "], "labels in the column labels .*; got none"),
        (["file,age", "images/0.png,old"], "a number in the column age, line 2 of .*; got 'old'"),
        (["file,age", "images/0.png,nan"], "a number in the column age, line 2"),
        (["file,label", '"images/0.png,a'], "a CSV file in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_line(folder: Path, lines: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_images(written(folder, *lines))


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "list.csv").write_bytes(b"file,label\n\xff\xfe\x00,a\n")
    with pytest.raises(DataError, match="a CSV file in UTF-8"):
        load_images(str(folder / "list.csv"))


def test_names_are_part_of_the_digest_where_there_are_any(folder: Path) -> None:
    lines = ["images/0.png,1", "images/1.png,2"]
    one, other = (load_images(written(folder, f"file,{name}", *lines)).digest for name in ("age", "size"))
    assert one != other


def test_facts_are_kept_as_text(folder: Path) -> None:
    noted = load_images(written(folder, "file,age,size", "images/0.png,1,3", "images/1.png,2,4")).noted("list.csv")
    assert Images.of(noted.as_json) == noted
    assert (noted.target, noted.components) == ((2,), ("age", "size"))
    # The network can be built from the facts alone, as an export builds it.
    task = make_task("regression", standing_in(noted))
    assert task.head(4, 2)(torch.zeros(3, 4, 2, 2)).shape == (3, 2)
    earlier = noted.as_json.replace(', "components": ["age", "size"]', "")
    assert Images.of(earlier).components == ()


def test_mean_average_precision_by_hand() -> None:
    """First label: hits at ranks 1 and 3 of 4, (1/1 + 2/3) / 2. Second: the only hit at rank 2. The third is absent."""
    outputs = np.array([[4.0, 1, 0], [3, 9, 0], [2, 5, 0], [1, 0, 0]])
    targets = np.array([[1.0, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert mean_average_precision(outputs, targets) == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert np.isnan(mean_average_precision(outputs, np.zeros((4, 3))))


def test_quantities_are_learned_whatever_their_unit(three_convolutions: object) -> None:
    """A brightness in units of a thousandth and of a million: the same training, and errors in the same proportion."""
    images = torch.randint(0, 256, (80, 1, 1, 1), dtype=torch.uint8).expand(80, 1, 8, 8).contiguous()
    brightness = images[:, 0, 0, :1].float() / 255
    errors = []
    for unit in (0.001, 1e6):
        data = ImageData(images, torch.zeros(80, dtype=torch.int64), (), brightness * unit, flippable=False)
        task = make_task("regression", data)
        network = build(lambda: three_convolutions(1), task, seed=0)  # type: ignore[operator]
        recipe = Recipe(epochs=8, batch_size=16, learning_rate=0.02, augmentation=Augmentation(crop_padding=0))
        trained = train(network, task, data, data, recipe, seed=0)
        assert trained.metric.name == "mae"
        assert not trained.metric.higher_is_better
        errors.append(trained.value / unit)
        assert isinstance(network.head, nn.Sequential)
    assert errors[0] == pytest.approx(errors[1], rel=0.01)
    assert errors[0] < 0.1  # a constant answer has 0.25


def test_what_cannot_be_learned_is_refused() -> None:
    images, none = torch.zeros((3, 1, 8, 8), dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)
    constant = ImageData(images, none, (), torch.tensor([[1.0, 2], [1, 3], [1, 4]]), components=("a", "b"))
    with pytest.raises(DataError, match=r"quantities that differ .*; got a, the same for all"):
        make_task("regression", constant)
    with pytest.raises(DataError, match="of zeros and ones"):
        make_task("multilabel", constant)
    with pytest.raises(DataError, match="at least two classes"):
        make_task("classification", constant)
    with pytest.raises(DataError, match="a metric of sets"):
        make_task("multilabel", ImageData(images, none, (), torch.eye(3)), score="f1")
