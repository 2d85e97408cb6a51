"""The section ``evaluator`` of a pipeline: the source of the scores."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from lapt.base.declarations import FileName, Frozen, added
from lapt.data.reading import Reading
from lapt.errors import ConfigError
from lapt.evaluation import Lacking
from lapt.training import Recipe
from lapt.training.metrics import known_score
from lapt.training.recipe import AnyRecipe


class _Model(Frozen):
    trains: ClassVar[bool] = False
    """Whether the architecture found is trained from scratch in the end."""


class TableEvaluation(_Model):
    """Scores looked up in an imported benchmark table (``lapt benchmark list``)."""

    kind: Literal["table"] = "table"
    table: FileName
    seconds: float | None = Field(
        None,
        gt=0,
        exclude_if=lambda seconds: seconds is None,
        description="duration of a score, to rehearse workers; the store then keeps scores as it keeps a training's",
    )
    missing: Literal["fail", "skip"] | None = added(
        None,
        description="treatment of an architecture that the table lacks: fail, an evaluation without a "
        "score; skip, it costs nothing and is counted; as the table was imported if unset",
    )
    pool: Literal["space", "table"] = added(
        "space", description="table: searches, controls and archives use only architectures with a score in the table"
    )

    @property
    def lacking(self) -> Lacking | None:
        """``missing`` and ``pool`` as one value; None if both are unset."""
        return "never" if self.pool == "table" else self.missing


class SurrogateEvaluation(_Model):
    """Scores that an imported surrogate predicts (``lapt benchmark list``).

    Tasks are ``cifar10``, after ``epoch`` epochs, and ``cifar10_epochN`` for any other fidelity, as a cheap source.
    """

    kind: Literal["surrogate"]
    model: FileName = Field(description="its name in the data folder")
    epoch: int = Field(98, ge=1, le=98, description="epochs after which the task cifar10 is scored")


class FunctionEvaluation(_Model):
    """Scores of a function in this process: of ``lapt.transfer``, never of a pipeline that is sent elsewhere."""

    kind: Literal["function"]
    name: str = Field(description="what its stored scores go by")


class Networks(_Model, Reading):
    """Settings of every evaluator that trains: the reading of images, the size of the networks, a recipe."""

    trains: ClassVar[bool] = True

    root: str | None = Field(None, description="folder of relative paths and of CIFAR's files")
    download: bool = Field(False, description="fetch CIFAR where it is missing")
    channels: int = Field(16, ge=1, description="width after the stem; with DARTS cells, of a node")
    cells: int = Field(1, ge=1, description="cells per stage; with DARTS cells, 3 x cells + 2 layers in all")
    stem: Literal["cifar", "imagenet"] = Field(
        "cifar",
        exclude_if=lambda stem: stem == "cifar",
        description="of DARTS networks; imagenet reduces the side to an eighth",
    )
    score: Annotated[str, AfterValidator(known_score)] = Field(
        "metric",
        description="value that the search compares: the task's own metric, its loss, balanced_accuracy, f1, auroc, "
        "mae, or a metric of an installed package",
    )
    validation_share: float = Field(0.2, gt=0, lt=1, description="share of the training images that is held out")
    training_images: int | None = Field(None, ge=2, description="largest number of training images; all if unset")
    recipe: AnyRecipe = Recipe()
    seed: int = Field(0, ge=0, description="of the networks' weights and batches, whatever the search's seed is")


class ImagesEvaluation(Networks):
    """Settings of an evaluator on images.

    A task is one of ``lapt.training.tasks.TASKS`` on ``data``. If ``data`` names several sets of images, a task is the
    classification of one of them, under its name there.
    """

    data: str | dict[str, str] = Field(
        description="digits, digits_hard, cifar10, cifar100, an .npz file, a .csv file that lists images, or a "
        "folder of images; or a name for each"
    )

    def images_of(self, task: str) -> tuple[str, str]:
        """(source of the images, task on them). Raises ConfigError for a task that has no images."""
        if isinstance(self.data, str):
            return self.data, task
        if task not in self.data:
            raise ConfigError(
                f"images for the task {task} in evaluator.data", f"those of {sorted(self.data)}", f"add {task}: SOURCE"
            )
        return self.data[task], "classification"


class TrainingEvaluation(ImagesEvaluation):
    """Networks trained from scratch."""

    kind: Literal["training"]
    final_epochs: int | None = Field(
        None, ge=1, description="epochs of the final training, which gives the test score; the recipe's if unset"
    )

    @model_validator(mode="after")
    def _reads_what_it_trains_on_in_the_end(self) -> TrainingEvaluation:
        if self.sample is not None:
            raise ValueError(
                "sample is a part of the images for a supernet (kind: supernet): limit these by training_images"
            )
        return self


class FinalTraining(_Model):
    """Settings of the final network after a supernet's search: trained from scratch, on all training images."""

    channels: int = Field(16, ge=1, description="as of the evaluator, for the final network")
    cells: int = Field(1, ge=1, description="as of the evaluator, for the final network")
    recipe: AnyRecipe = Recipe()


class SupernetEvaluation(ImagesEvaluation):
    """Scores with weights inherited from a supernet over the searched space, which is trained first, by ``recipe``.

    When the space changes, a new supernet starts from the weights of the one before.
    """

    kind: Literal["supernet"]
    calibration_images: int = Field(
        512, ge=2, description="training images for the statistics of an architecture's activations"
    )
    final: FinalTraining | None = Field(None, description="final training; without it there is no test score")


EvaluatorSection = Annotated[
    TableEvaluation | TrainingEvaluation | SurrogateEvaluation | SupernetEvaluation | FunctionEvaluation,
    Field(discriminator="kind"),
]
