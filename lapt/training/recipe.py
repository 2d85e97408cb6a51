"""Training recipes: settings of a training apart from the network, the task and the data. Needs no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from lapt.base.declarations import Frozen, added
from lapt.base.digests import digest


class Augmentation(Frozen):
    """Random changes of training images. A task applies only those that keep its labels (``Task.augmentations``)."""

    crop_padding: int | None = Field(
        None, ge=0, description="black border in pixels before a random crop; an eighth of the side if unset"
    )
    flip: bool | None = Field(
        None, description="mirror half of the images; if unset, unless a mirror image changes the label (digits)"
    )
    cutout: int = Field(0, ge=0, description="side of the square that is greyed out, in pixels")
    resized_crop: float = added(
        0.0, ge=0, lt=1, description="smallest share of the area of a random crop that is resized, in place of a border"
    )
    colour: float = added(
        0.0, ge=0, le=1, description="largest change of brightness, contrast and saturation; half as much of the hue"
    )
    rand_augment: int = added(0, ge=0, le=30, description="strength of two random operations (RandAugment), of 31")

    @classmethod
    def none(cls) -> Augmentation:
        return cls(crop_padding=0, flip=False, cutout=0)


def _is_zero(value: float) -> bool:
    return value == 0


class Recipe(Frozen):
    """One training recipe. The defaults are NAS-Bench-201's short recipe (12 epochs), with a smaller batch."""

    epochs: int = Field(12, ge=1)
    batch_size: int = Field(128, ge=2, description="images per step, with any accumulation")
    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.1, gt=0, allow_inf_nan=False, description="if unset, 0.1 for sgd, 0.001 for adamw")
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd's momentum; adamw's first beta")
    nesterov: bool = Field(True, description="sgd only")
    weight_decay: float = Field(5e-4, ge=0, allow_inf_nan=False)
    schedule: Literal["cosine", "constant", "exponential"] = Field(
        "cosine", description="cosine falls to zero, step by step; exponential to 97 % after each epoch"
    )
    warmup_epochs: float = Field(0.0, ge=0, description="linear rise of the learning rate at the start")
    augmentation: Augmentation = Augmentation()
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="of the training loss of classifications")
    gradient_clip: float | None = Field(None, gt=0, description="largest norm of the whole gradient")
    mixup: float = added(0.0, ge=0, allow_inf_nan=False, description="of classifications: alpha of mixup")
    cutmix: float = added(0.0, ge=0, allow_inf_nan=False, description="alpha of CutMix; with mixup, one a step")
    class_weights: Literal["none", "balanced"] = added(
        "none", description="of the training loss of classifications; balanced: as much for each class"
    )
    sampling: Literal["all", "balanced"] = added(
        "all", description="images of an epoch; balanced: classifications draw as many of each class, with repetition"
    )
    average: float = added(
        0.0, ge=0, lt=1, description="decay of the moving average of the weights that is scored, such as 0.999; 0: none"
    )
    # Of networks that have them; left out of what is written down where they are 0, so that scores keep their keys.
    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        exclude_if=_is_zero,
        description="DARTS cells: share of the paths left out of a step, rising from 0 to this over the epochs",
    )
    auxiliary: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        exclude_if=_is_zero,
        description="DARTS cells: weight of the loss of a second head at two thirds of the depth, for training alone",
    )
    accumulation: int = Field(1, ge=1, description="parts of a batch, in turn; the gradient is the whole batch's")
    # Running statistics lag behind in runs of few steps. Digits, 10 NAS-Bench-201 cells: mean accuracy 49 % without and
    # 63 % with it after 27 steps, 74 and 76 % after 51. After 100 steps it changes neither that nor the deviation
    # between seeds (2.6 and 2.7 %; jigsaws 1.9 and 1.6 %).
    recalibrate_batch_norm: bool = Field(
        False, description="replace BatchNorm's running statistics by those of the whole training set at the end"
    )
    # Declared, not chosen by the device: a score must not depend on where it was computed.
    mixed_precision: bool = Field(False, description="bf16, on GPUs that have it: faster, and other scores")
    channels_last: bool = Field(False, description="memory format: faster on GPUs and for wide networks on CPUs")
    compile: bool = Field(False, description="torch.compile: pays for long runs on GPUs alone")

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_optimiser(cls, declared: Any) -> Any:
        if isinstance(declared, dict) and declared.get("optimiser") == "adamw":
            return {"learning_rate": 1e-3, **declared}
        return declared

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.accumulation > self.batch_size // 2:
            raise ValueError(
                f"accumulation ({self.accumulation}) leaves less than two images of batch_size ({self.batch_size})"
            )
        if self.nesterov and self.optimiser == "sgd" and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs}) is not less than epochs ({self.epochs})")
        return self

    @classmethod
    def published_nas201(cls) -> Recipe:
        """Recipe of every score of NAS-Bench-201: Dong and Yang 2020, table 1."""
        return cls(epochs=200, batch_size=256)

    @classmethod
    def published_darts(cls) -> Recipe:
        """Recipe of DARTS networks in the literature, for CIFAR: Liu, Simonyan and Yang 2019."""
        return cls(
            epochs=600,
            batch_size=96,
            learning_rate=0.025,
            nesterov=False,
            weight_decay=3e-4,
            gradient_clip=5.0,
            augmentation=Augmentation(cutout=16),
            drop_path=0.2,
            auxiliary=0.4,
        )

    @classmethod
    def imagenet_2018(cls) -> Recipe:
        """Recipe of DARTS networks on ImageNet: Liu, Simonyan and Yang 2019, section 3.3, and their published code."""
        return cls(
            epochs=250,
            batch_size=128,
            nesterov=False,
            weight_decay=3e-5,
            schedule="exponential",
            label_smoothing=0.1,
            gradient_clip=5.0,
            augmentation=Augmentation(resized_crop=0.08, colour=0.4),
            auxiliary=0.4,
        )

    @classmethod
    def modern(cls) -> Recipe:
        """Recipe after torchvision's of 2021 (Vryniotis), with its batch and rate for one small machine.

        Kept: warm-up and cosine, label smoothing, mixup, CutMix, a resized crop, an averaged network, no decay to speak
        of. RandAugment stands for TrivialAugment. There: 600 epochs, rate 0.5 for batches of 1,024.
        """
        return cls(
            epochs=100,
            batch_size=128,
            learning_rate=0.06,
            nesterov=False,
            weight_decay=2e-5,
            warmup_epochs=5,
            label_smoothing=0.1,
            mixup=0.2,
            cutmix=1.0,
            average=0.999,
            augmentation=Augmentation(resized_crop=0.35, rand_augment=9),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of every field: another recipe may give another score."""
        return digest(self.model_dump(mode="json"))

    def halved(self) -> Recipe | None:
        """The same batches in twice as many parts, for a second try after OutOfMemory; None if they get too small.

        Only BatchNorm sees the parts.
        """
        parts = 2 * self.accumulation
        return self.model_copy(update={"accumulation": parts}) if parts <= self.batch_size // 2 else None


Named = Literal["nas201", "darts", "imagenet_2018", "modern"]
"""Name of a recipe of the literature."""
_NAMED = {
    "nas201": Recipe.published_nas201,
    "darts": Recipe.published_darts,
    "imagenet_2018": Recipe.imagenet_2018,
    "modern": Recipe.modern,
}


class Like(Recipe):
    """A named recipe with changes: ``{like: modern, epochs: 30}``."""

    like: Named


def _spelt_out(declared: Any) -> Any:
    """The keys of a recipe that is declared by name, with its changes."""
    name = declared if isinstance(declared, str) else declared.get("like") if isinstance(declared, dict) else None
    if name is None:
        return declared
    if name not in _NAMED:
        raise ValueError(f"no recipe {name!r}: expected {', '.join(get_args(Named))}, or the keys of a recipe")
    changes = {} if isinstance(declared, str) else {key: value for key, value in declared.items() if key != "like"}
    whole = _NAMED[name]().model_dump(mode="json")
    changed = changes.get("augmentation")
    if isinstance(changed, dict):
        changes = {**changes, "augmentation": {**whole["augmentation"], **changed}}
    return {**whole, **changes}


AnyRecipe = Annotated[Recipe, BeforeValidator(_spelt_out, json_schema_input_type=Recipe | Like | Named)]
"""A recipe by its keys, by name, or by name with changes."""
