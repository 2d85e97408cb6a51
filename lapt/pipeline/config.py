"""Declaration of a pipeline: a YAML file, validated here, and the parameter of the root flow.

``Pipeline`` says what is computed. ``Execution`` says how, and never changes a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from lapt.algorithms import Rule
from lapt.base.declarations import Frozen, Name, added, parsed, text_of, value_of
from lapt.base.faults import fault
from lapt.errors import ConfigError, or_meant
from lapt.evaluators.config import EvaluatorSection, ImagesEvaluation, TrainingEvaluation
from lapt.evaluators.hand_made import HAND_MADE, SPACE, trained_alike
from lapt.latency.additive import MeasuredLatency
from lapt.pipeline.constraints import Bound
from lapt.pipeline.limits import UNLIMITED, RunLimits
from lapt.pipeline.sources import AnySource, FrontArchive, NoSource, Source, is_read, sources_of, tasks_read
from lapt.reasoning.config import PatternsReasoner, Reasoning
from lapt.reasoning.endpoint.calls import Mode
from lapt.search import SEARCHERS
from lapt.search.config import DEFAULT, DefaultSearch, Search, keep_what_fits, spelt_out
from lapt.search.halving import Fidelity
from lapt.spaces import Space


class Adaptation(Frozen):
    """Algorithm 2."""

    iterations: int = Field(3, ge=1, description="G")
    top_r: int = Field(5, ge=1, description="r: architectures that principles are updated from")
    rule: Rule = "paper"
    refuted: Literal["drop", "keep"] = Field(
        "drop", description="advisers that the target's scores turn against: drop goes on without them, keep with them"
    )
    revisit: int = Field(
        3, ge=0, description="from iteration 2 on, every 3rd evaluation is of the first space; 0: none"
    )


class Guidance(Frozen):
    """Use of principles to order a space, beside refining it.

    Unset values are the reasoner's own: ``patterns`` orders, the others do not, as in the paper.
    """

    initial: bool | None = Field(None, description="first evaluate the architectures that principles expect most of")
    prior: bool | None = Field(None, description="methods with a model (gp) start from the principles' expectation")


class Pipeline(Frozen):
    """One LAPT pipeline: Algorithm 1 from a source task to target tasks."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    space: Space
    evaluator: EvaluatorSection
    source: AnySource
    targets: tuple[Name, ...] = Field(min_length=1)
    reasoner: Reasoning = PatternsReasoner()
    adaptation: Adaptation = Adaptation()
    refinement: Literal["product", "order"] = added(
        "product", description="order: principles order the whole space; product: they cut it (eq. 3), as in the paper"
    )
    guidance: Guidance = added(Guidance())
    constraints: dict[Name, Bound] = added(
        {}, description="bounds on what is known before training: parameters, multiply_adds, columns of a table"
    )
    objectives: tuple[Name, ...] = added(
        (), description="two for a front: the score, by its metric's name, and a quantity as of constraints"
    )
    latency: MeasuredLatency = added(
        MeasuredLatency(), description="how latency_ms is measured, where networks are trained and it is named"
    )
    search: Search = DefaultSearch()
    fidelity: Fidelity | None = added(
        None, description="rungs on which searches of targets stop trainings early; the budget stays the same in epochs"
    )
    controls: tuple[
        Literal["random", "rea", "source_ranking", "plain_cnn", "resnet18", "mobilenet_v3_small", "efficientnet_b0"],
        ...,
    ] = Field(
        (),
        description="for comparison: methods with the same budget on the whole space, and hand-made networks, which "
        "are trained as what was found is in the end",
    )
    seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _of_the_kind_that_is_the_default(cls, declared: Any) -> Any:
        """Add the default kind to sections without one: ``search.generations=2`` works if the declaration has no
        search."""
        if not isinstance(declared, dict):
            return declared
        if "sources" in declared:
            if "source" in declared:
                raise ValueError("source and sources say the same: keep one of them")
            declared = {"source" if key == "sources" else key: value for key, value in declared.items()}
        kinds = {"search": {"method": DEFAULT}, "reasoner": {"kind": "patterns"}}
        said = {name: declared[name] for name in kinds if isinstance(declared.get(name), dict)}
        if "search" in said:
            said["search"] = spelt_out(said["search"])
        return {**declared, **{name: {**kinds[name], **section} for name, section in said.items()}}

    @model_validator(mode="after")
    def _distinct_targets(self) -> Pipeline:
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets {list(self.targets)} name a task twice")
        for one in sources_of(self.source):
            if isinstance(one, Source) and one.task in self.targets:
                raise ValueError(f"targets name the source task {one.task}: principles go to other tasks")
        return self

    @model_validator(mode="after")
    def _reads_what_it_transfers(self) -> Pipeline:
        if is_read(self.source):
            return self
        if "source_ranking" in self.controls:
            raise ValueError("controls name source_ranking, which ranks architectures of a source: leave it out")
        if SEARCHERS[self.search.method].transfers:
            raise ValueError(f"search.method {self.search.method} learns from scores of a source: name another")
        return self

    @model_validator(mode="after")
    def _trains_what_it_compares_with(self) -> Pipeline:
        hand_made = [one for one in self.controls if one in HAND_MADE]
        if hand_made and not self.evaluator.trains:
            raise ValueError(f"controls name {hand_made[0]}, a network to train: only evaluators that train have them")
        if hand_made and getattr(self.evaluator, "final", self) is None:
            raise ValueError(f"controls name {hand_made[0]}, which is trained as evaluator.final says: say it")
        return self

    @model_validator(mode="after")
    def _two_objectives(self) -> Pipeline:
        if not self.objectives:
            archives = [one.archive for one in sources_of(self.source) if isinstance(one, Source)]
            if any(isinstance(archive, FrontArchive) for archive in archives):
                raise ValueError(
                    "source.archive.strategy front is of two objectives: name them, such as accuracy, latency_ms"
                )
            return self
        if len(self.objectives) != 2 or len(set(self.objectives)) != 2:
            raise ValueError(f"objectives are two different names, not {list(self.objectives)}")
        if not SEARCHERS[self.search.method].objectives:
            able = [name for name, method in SEARCHERS.items() if method.objectives]
            raise ValueError(f"search.method {self.search.method} has one objective; {', '.join(able)} can have two")
        return self

    @model_validator(mode="after")
    def _stops_early(self) -> Pipeline:
        if self.fidelity is None:
            return self
        config, fidelity = self.evaluator, self.fidelity
        if config.kind in ("supernet", "function"):
            raise ValueError(f"fidelity stops trainings early, which evaluator.kind {config.kind} cannot")
        if isinstance(config, TrainingEvaluation) and config.recipe.epochs != fidelity.whole:
            raise ValueError(
                f"fidelity.epochs end with {fidelity.whole}, not with evaluator.recipe.epochs ({config.recipe.epochs})"
            )
        if self.objectives:
            raise ValueError("fidelity goes with one objective: leave out fidelity or objectives")
        if self.search.budget(1) < fidelity.least:
            raise ValueError(
                f"fidelity reaches its last rung after {fidelity.least} evaluations, and the first iteration has "
                f"{self.search.budget(1)}: raise search.generations, or say fewer rungs"
            )
        return self

    @property
    def hand_made(self) -> Pipeline | None:
        """The pipeline that trains the hand-made networks among the controls as this one trains what it finds in the
        end; None without them."""
        if not isinstance(self.evaluator, ImagesEvaluation) or not any(one in HAND_MADE for one in self.controls):
            return None
        return Pipeline(
            name=self.name,
            space=SPACE,
            evaluator=trained_alike(self.evaluator),
            source=NoSource(),
            targets=self.targets,
            seed=self.seed,
        )

    @property
    def cost(self) -> str | None:
        """The second objective, a quantity that is known before a score; None with one objective."""
        return self.objectives[1] if self.objectives else None

    @property
    def title(self) -> str:
        """The pipeline in one line: source, targets and space."""
        targets = ", ".join(self.targets) if len(self.targets) < 4 else f"{len(self.targets)} targets"
        return f"{self.name}: {self.source.named} to {targets} in {self.space_name}, seed {self.seed}"

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The tasks that the evaluator scores: sources that are paid for, then targets."""
        return (*tasks_read(sources_of(self.source)), *self.targets)

    @property
    def space_name(self) -> str:
        return self.space if isinstance(self.space, str) else self.space.name

    @property
    def label(self) -> str:
        """LAPT's name in tables, with its search method: lapt-rea."""
        return f"lapt-{self.search.method}"

    @property
    def scored_again(self) -> int:
        """Evaluations a target may cost beside its budget: the best so far, scored again in each new space's
        supernet."""
        shared = self.evaluator.kind == "supernet"
        return shared * (self.adaptation.iterations - 1) * self.adaptation.top_r

    @property
    def budget(self) -> int:
        """Evaluations a target may cost."""
        return sum(self.search.budget(g) for g in range(1, self.adaptation.iterations + 1))


class BenchmarkPlan(Frozen):
    """A tabular benchmark of the user's own: every distinct architecture of a space, trained on some tasks.

    Every one is trained with the evaluator's seed. The ``best`` of each task and ``sample`` random ones are also
    trained with the following seeds. So the ranks of good architectures depend less on luck, and the noise is known.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")
    space: Space
    evaluator: TrainingEvaluation
    tasks: tuple[Name, ...] = Field(min_length=1)
    seeds: int = Field(3, ge=2, description="trainings of architectures that are measured again")
    best: int = Field(300, ge=0, description="number of best ones per task, by the first seed, that are measured again")
    sample: int = Field(300, ge=8, description="number of random ones that are measured again, to estimate the noise")


class Execution(Frozen):
    """Settings of how a pipeline is executed. None changes a result or the run id; ``limits`` may end it early."""

    store: str = Field(description="folder, or s3://, gs:// or abfs:// address, of the result store")
    data: str | None = Field(None, description="folder of imported benchmark tables; LAPT_DATA if unset")
    processes: int | None = Field(None, ge=1, description="trainings side by side; if unset, one a core, or one a GPU")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    replies: Mode = Field("auto", description="a language model's: auto, record, replay, off")
    retry_failed: bool = Field(False, description="train again, once, architectures that have only failed in the store")
    dispatch: Literal["inline", "deployment"] = Field(
        "inline", description="deployment: evaluations run on the workers of a Prefect work pool"
    )
    pool: str = Field("gpu", description="the work pool of dispatch: deployment")
    library: str | None = added(None, description="a file, to which the finished run adds what its tasks showed")
    limits: RunLimits = added(UNLIMITED, description="limits of its cost; at one, it ends with its best so far")
    final_processes: int = added(1, ge=1, description="that train one final network together; of GPUs, one a GPU")
    snapshot: bool = added(True, description="a DuckDB file of the run in the store, when it is finished")


def presets() -> list[str]:
    """Names of the pipelines that ship with LAPT."""
    return _shipped("lapt.presets")


REASONERS = {"patterns": None, "frequency": None, "random": None, "chat": "model", "stated": "principles"}
"""Kind of a reasoner that stands alone -> its key that follows the kind on the command line; None if none does."""


def load_pipeline(preset_or_file: str, overrides: Sequence[str] = (), reasoner: str | None = None) -> Pipeline:
    """Load a preset by name or a YAML file by path, with ``key.sub=value`` overrides (values are YAML).

    ``reasoner``: ``patterns``, ``frequency``, ``random``, ``chat:MODEL``, ``stated:FILE``, or several of them joined by
    ``+``, in place of the declared one; the declared settings stay if it is of the same kind. ``scale=NAME`` among the
    overrides takes the values of the declaration's ``scales.NAME``; the other overrides come after it. Raises
    ConfigError: unknown preset or file, malformed YAML, unknown keys, values out of range.
    """
    declared = _declared(preset_or_file, "lapt.presets", "preset", ())
    scale = [override for override in overrides if override.startswith("scale=")]
    overrides = [override for override in overrides if override not in scale]
    for override in scale:
        _apply(declared, override)
    _scaled(declared, preset_or_file)
    if reasoner is not None:
        declared["reasoner"] = reasoner_section(reasoner, declared.get("reasoner"))
    for override in sorted(overrides, key=lambda override: not override.startswith("search.method=")):
        _apply(declared, override)
        if override.startswith("search.method="):
            keep_what_fits(declared["search"])
    return validated(declared, preset_or_file)


def reasoner_section(reasoner: str, given: Any = None) -> dict[str, Any]:
    """The section ``reasoner`` for a name on the command line. ``given``: the declared section. Raises ConfigError."""
    if "+" in reasoner:
        return {"kind": "joined", "advisers": [reasoner_section(one, given) for one in reasoner.split("+")]}
    kind, _, named = reasoner.partition(":")
    key = REASONERS.get(kind)
    if kind not in REASONERS or (key is not None) != bool(named):
        raise ConfigError(
            "--reasoner patterns, frequency, random, chat:PROVIDER:MODEL, chat:manual, stated:FILE, or several with +",
            repr(reasoner),
            or_meant(kind, REASONERS, "write, for example, chat:openai:gpt-4o"),
        )
    kept = given if isinstance(given, dict) and given.get("kind") == kind else {}
    return {**kept, "kind": kind, **({key: named} if key else {})}


def overridden(pipeline: Pipeline, overrides: Sequence[str]) -> Pipeline:
    """The pipeline with ``key.sub=value`` overrides. Raises ConfigError."""
    declared = pipeline.model_dump(mode="json")
    for override in overrides:
        _apply(declared, override)
    return validated(declared, pipeline.name)


def load_plan(name_or_file: str, overrides: Sequence[str] = ()) -> BenchmarkPlan:
    """Load the plan of a benchmark that ships with LAPT, or a YAML file, as ``load_pipeline`` loads pipelines."""
    declared = _declared(name_or_file, "lapt.tables", "plan", overrides)
    try:
        return BenchmarkPlan.model_validate(declared)
    except ValidationError as error:
        raise fault(error, name_or_file, BenchmarkPlan) from None


def validated(declared: Mapping[str, Any], where: str) -> Pipeline:
    """The pipeline in a mapping. Raises ConfigError for its first fault."""
    try:
        return Pipeline.model_validate(declared)
    except ValidationError as error:
        raise fault(error, where, Pipeline) from None


def _shipped(package: str) -> list[str]:
    return sorted(p.name.removesuffix(".yaml") for p in resources.files(package).iterdir() if p.name.endswith(".yaml"))


def _declared(name_or_file: str, package: str, kind: str, overrides: Sequence[str]) -> dict[str, Any]:
    path, known = Path(name_or_file), _shipped(package)
    if name_or_file in known:
        text = resources.files(package).joinpath(f"{name_or_file}.yaml").read_text(encoding="utf-8")
    elif path.is_file():
        text = text_of(path)
    else:
        raise ConfigError(
            f"a {kind} among {known} or the path of a YAML file",
            repr(name_or_file),
            or_meant(name_or_file, known, "check the name or the path"),
        )
    declared = parsed(text, name_or_file, f"start from a shipped one: {known}")
    for override in overrides:
        _apply(declared, override)
    return declared


def _scaled(declared: dict[str, Any], where: str) -> None:
    """The declaration with one named set of values from ``scales``, which ``scale`` selects."""
    scales, chosen = declared.pop("scales", {}), declared.pop("scale", None)
    if chosen is None:
        return
    if not isinstance(scales, dict) or chosen not in scales:
        raise ConfigError(
            f"a scale of {where} among {sorted(scales)}", f"{chosen!r}", "leave scale out for the full one"
        )
    _merge(declared, scales[chosen])


def _merge(declared: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        mine = declared.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            _merge(mine, value)
        else:
            declared[key] = value


def _apply(declared: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError("--set key=value", f"--set {override}", "write, for example, --set search.generations=2")
    *parents, last = key.split(".")
    at: Any = declared
    for parent in parents:
        at[parent] = {} if at.get(parent) is None else at[parent]
        at = at[parent]
        if not isinstance(at, dict):
            raise ConfigError(f"a section at {parent!r}", f"--set {override}", "set the section's own keys")
    at[last] = _value(value, override)
    if key in ("source", "sources"):  # two names of one section
        declared.pop("sources" if key == "source" else "source", None)


def _value(text: str, override: str) -> Any:
    try:
        return value_of(text)
    except ValueError as error:
        raise ConfigError("a YAML value", f"--set {override} ({error})", "correct it, or quote it") from None
