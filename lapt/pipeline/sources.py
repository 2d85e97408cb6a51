"""The section ``source`` of a pipeline: where principles come from."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_serializer, model_validator
from pydantic_core import CoreSchema

from lapt.base.declarations import FileName, Frozen, Name, added
from lapt.errors import ConfigError
from lapt.reasoning.statements import StatedPrinciples, in_line


class _Archive(Frozen):
    """Architectures that are chosen by the scores of the whole source task, or by as many as are paid for."""

    words: ClassVar[str]
    """Its description, with the names of its fields in place of their values."""
    strategy: str
    size: int = Field(50, ge=1, description="architectures shown to the reasoner")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.paid is not None and self.size > self.paid:
            raise ValueError(f"size ({self.size}) is larger than samples ({self.paid})")
        return self

    @property
    def paid(self) -> int | None:
        """Number of random architectures that are scored; None if every score of the source task is read."""
        return None

    @property
    def drawn(self) -> bool:
        """Whether it is a different one for every seed."""
        return self.paid is not None

    @property
    def evaluations(self) -> int:
        """Largest number of recorded evaluations; of a whole table, which was read, those of the archive."""
        return self.size if self.paid is None else self.paid

    @property
    def described(self) -> str:
        return self.words.format(**self.model_dump())


class TopArchive(_Archive):
    """The ``size`` best of the whole space. It needs every score of the source task, so a table."""

    words = "the best {size} of all architectures"
    strategy: Literal["top"] = "top"


class WorstArchive(_Archive):
    """The ``size`` worst of the whole space, shown as if they were its best: a control of the reasoner."""

    words = "the worst {size} of all architectures, shown as if they were the best,"
    strategy: Literal["worst"]


class BootstrapArchive(_Archive):
    """The ``size`` best of the whole space, drawn with replacement by every seed.

    It shows how far results depend on the exact architectures that were read.
    """

    words = "{size} drawn with replacement from the best {size} of all architectures"
    strategy: Literal["bootstrap"]
    size: int = Field(50, ge=1, description="architectures drawn, from the same number of best ones")

    @property
    def drawn(self) -> bool:
        return True


class RandomArchive(_Archive):
    """The ``size`` best of ``samples`` random architectures evaluated on the source task."""

    words = "the best {size} of {samples} random architectures"
    strategy: Literal["random"]
    size: int = Field(20, ge=1, description="architectures shown to the reasoner")
    samples: int = Field(200, ge=1, description="source evaluations paid for")

    @property
    def paid(self) -> int:
        return self.samples


class FrontArchive(_Archive):
    """The ``size`` on the first layers of the front of two objectives, of all or of random architectures.

    So principles say what good and cheap architectures have in common.
    """

    words = "the {size} on the first fronts of score and cost of {of}"
    strategy: Literal["front"]
    samples: int | None = Field(None, ge=1, description="source evaluations paid for; unset: every score of a table")

    @property
    def paid(self) -> int | None:
        return self.samples

    @property
    def described(self) -> str:
        of = "all architectures" if self.samples is None else f"{self.samples} random architectures"
        return self.words.format(size=self.size, of=of)


AnyArchive = Annotated[
    TopArchive | WorstArchive | BootstrapArchive | RandomArchive | FrontArchive, Field(discriminator="strategy")
]


class Source(Frozen):
    """A task whose good architectures are read: of the pipeline's evaluator, or of a benchmark table."""

    task: Name
    table: FileName | None = added(None, description="an imported table that has the task, if no score is to be paid")
    archive: AnyArchive = RandomArchive(strategy="random")

    @model_validator(mode="before")
    @classmethod
    def _reads_the_best_of_a_table(cls, declared: Any) -> Any:
        if isinstance(declared, dict) and declared.get("table") and "archive" not in declared:
            return {**declared, "archive": {"strategy": "top"}}
        return declared

    @property
    def named(self) -> str:
        """Its name: the task, and the table if it is of one."""
        return self.task if self.table is None else f"{self.table} {self.task}"

    @property
    def drawn(self) -> bool:
        """Whether every seed reads other architectures."""
        return self.archive.drawn

    @property
    def described(self) -> str:
        """The architectures that are read, as part of a sentence."""
        return f"{self.archive.described} of {self.named}"

    @property
    def noted(self) -> str:
        """The source and what is read of it, for a note under a table."""
        return f"{self.named}, {self.archive.described}"


class _Stored(Frozen):
    """Principles that are at hand: nothing is read, and nothing is paid."""

    drawn: ClassVar[bool] = False

    @property
    @abstractmethod
    def named(self) -> str:
        """Its name."""

    @property
    def noted(self) -> str:
        return self.named

    @property
    def described(self) -> str:
        return self.named


class RunSource(_Stored):
    """Principles of an earlier run: those it learned from its source, or those adapted to one of its targets."""

    run: str = Field(pattern=r"^[0-9a-f]{12}$", description="id of a run in the same store")
    target: Name | None = added(None, description="a target of that run; its source if unset")

    @property
    def named(self) -> str:
        return f"run {self.run}" + (f", {self.target}" if self.target else "")


def _id_or_content(given: Any) -> Any:
    """The content of a file of principles, so that a pipeline says what it was; an id as it is."""
    if isinstance(given, str) and re.fullmatch("[0-9a-f]{12}", given) and not Path(given).exists():
        return given
    return in_line(given)


class PrinciplesSource(_Stored):
    """Stored principles: an id in the store, or a file of principles."""

    principles: Annotated[str | StatedPrinciples, BeforeValidator(_id_or_content)] = Field(
        description="an id in the same store, or a file (lapt principles export), whose content becomes part of this"
    )
    name: Name = added("principles", description="name of the source in reports")

    @property
    def named(self) -> str:
        return f"principles {self.principles}" if isinstance(self.principles, str) else self.name


class LibrarySource(_Stored):
    """Principles of a library for the space, without those that a target taught."""

    library: str = Field(description="shipped, or the file of a library (lapt run --library)")
    kinds: tuple[Name, ...] = added(
        (), description="only what tasks of these kinds say, by their metric's name: accuracy, ssim; all if unset"
    )

    @property
    def named(self) -> str:
        return f"library {Path(self.library).stem}"


NOTHING_KNOWN = "none"
"""The source of a search alone: no principles."""


class NoSource(_Stored):
    """No source: the search alone, on the whole space."""

    none: Literal[True] = True

    @property
    def named(self) -> str:
        return NOTHING_KNOWN

    @property
    def described(self) -> str:
        return "no source"

    @model_serializer
    def _as_written(self) -> str:
        return NOTHING_KNOWN

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"const": NOTHING_KNOWN, "title": cls.__name__, "description": cls.__doc__}


def _form(declared: Any) -> str | None:
    """The form of a source, before it is validated: the key that tells it."""
    if isinstance(declared, Frozen):
        return next((form for form, model in FORMS.items() if isinstance(declared, model)), None)
    if not isinstance(declared, dict):
        return None
    return next((form for form in reversed(FORMS) if form in declared), "task")


_EXPECTED = "expected a mapping with the key task, run, principles or library, a list of them, or none"
One = Annotated[
    Annotated[Source, Tag("task")]
    | Annotated[RunSource, Tag("run")]
    | Annotated[PrinciplesSource, Tag("principles")]
    | Annotated[LibrarySource, Tag("library")],
    Discriminator(_form, custom_error_type="source", custom_error_message=_EXPECTED),
]


class Several(Frozen):
    """Several sources. Each is an adviser with a weight of its own, where principles order the space."""

    several: tuple[One, ...] = Field(min_length=1, max_length=20)

    @model_serializer
    def _as_written(self) -> tuple[One, ...]:
        return self.several

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The list of sources, as it is written."""
        whole: dict[str, Any] = handler.resolve_ref_schema(handler(schema))
        found: dict[str, Any] = whole["properties"]["several"]
        return {**found, "title": cls.__name__, "description": cls.__doc__}

    @model_validator(mode="after")
    def _distinct(self) -> Several:
        names = [one.named for one in self.several]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"sources name {twice[0]} twice")
        return self

    @property
    def drawn(self) -> bool:
        return any(one.drawn for one in self.several)

    @property
    def named(self) -> str:
        return " and ".join(one.named for one in self.several)

    @property
    def described(self) -> str:
        return " and ".join(one.described for one in self.several)

    @property
    def noted(self) -> str:
        return "; ".join(one.noted for one in self.several)


FORMS: dict[str, type[Frozen]] = {
    "task": Source,
    "run": RunSource,
    "principles": PrinciplesSource,
    "library": LibrarySource,
    "none": NoSource,
    "several": Several,
}
"""The key that tells a form -> its model."""


def _spelt_out(source: Any) -> Any:
    """A declared source as a mapping: ``none`` and a list of sources are sources too."""
    if isinstance(source, list | tuple):
        return {"several": source}
    return {"none": True} if source == NOTHING_KNOWN else source


AnySource = Annotated[
    Annotated[Source, Tag("task")]
    | Annotated[RunSource, Tag("run")]
    | Annotated[PrinciplesSource, Tag("principles")]
    | Annotated[LibrarySource, Tag("library")]
    | Annotated[NoSource, Tag("none")]
    | Annotated[Several, Tag("several")],
    Discriminator(_form, custom_error_type="source", custom_error_message=_EXPECTED),
    BeforeValidator(_spelt_out),
]
"""The section ``source``."""


Single = Source | RunSource | PrinciplesSource | LibrarySource


def sources_of(source: AnySource) -> tuple[Single, ...]:
    """The single sources; none of ``none``."""
    if isinstance(source, Several):
        return source.several
    return () if isinstance(source, NoSource) else (source,)


def is_read(source: AnySource) -> bool:
    """Whether the architectures of some task are read, and not principles alone."""
    return any(isinstance(one, Source) for one in sources_of(source))


def only_source(source: AnySource) -> Source:
    """The source, if it is one task that is read. Raises ConfigError for any other."""
    if not isinstance(source, Source):
        raise ConfigError("one source with a task that is read", source.named, "name a task, or a table and a task")
    return source


def tasks_read(sources: Iterable[object]) -> tuple[str, ...]:
    """Source tasks whose scores the pipeline's own evaluator gives, and are paid for."""
    return tuple(one.task for one in sources if isinstance(one, Source) and one.table is None)
