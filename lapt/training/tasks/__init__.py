"""The tasks of TransNAS-Bench-101 (Duan et al. 2021), rotations, several labels an image, and quantities."""

from lapt.base.offered import Offered
from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.training.tasks.kinds import (
    Autoencoding,
    Classification,
    Jigsaw,
    RoomLayout,
    Rotation,
    Segmentation,
    SurfaceNormal,
)
from lapt.training.tasks.task import Task
from lapt.training.tasks.vectors import MultiLabel, Regression

GROUP = "lapt.tasks"
"""Group of entry points through which other packages offer tasks: a name, and its Task subclass."""

_OWN: dict[str, type[Task]] = {
    "classification": Classification,
    "jigsaw": Jigsaw,
    "rotation": Rotation,
    "autoencoding": Autoencoding,
    "segmentation": Segmentation,
    "surface_normal": SurfaceNormal,
    "room_layout": RoomLayout,
    "multilabel": MultiLabel,
    "regression": Regression,
    # The benchmark's own spelling.
    "class_object": Classification,
    "class_scene": Classification,
    "autoencoder": Autoencoding,
    "segmentsemantic": Segmentation,
    "normal": SurfaceNormal,
}


def _is_task(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Task)


TASKS: Offered[type[Task]] = Offered(
    GROUP, _OWN, kind="task", wanted="a subclass of lapt.training.tasks.Task", suits=_is_task
)
"""Name -> task."""


def make_task(name: str, data: ImageData, *, score: str = "metric") -> Task:
    """The task ``name`` on training data. Raises DataError: an unknown name, data without the task's targets."""
    if name not in TASKS:
        raise DataError(f"a task among {sorted(TASKS)}", repr(name), "name one of them")
    return TASKS[name](data, score=score)


__all__ = ["TASKS", "Task", "make_task"]
