"""The objects that a configuration declares. Only this module maps configuration keys to classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial

from flows.evaluators import EvaluatorOf, dispatched_to, evaluators_of, space_of
from flows.server.settings import apply_environment
from flows.sources import SourceOf, check_read, check_transferred, read_from, recalled, say_other_columns, widening
from lapt.algorithms import EARLIER, VERSION
from lapt.base.digests import digest, short
from lapt.errors import ConfigError, Notice
from lapt.evaluation import Evaluator
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.constraints import checked
from lapt.pipeline.objectives import cost_of
from lapt.pipeline.sources import Source, sources_of
from lapt.pipeline.steps import Steps
from lapt.principles import EXPERTS_SAY
from lapt.reasoning import Chance, Chat, Following, Frequency, Joined, Patterns, Reasoner, Stated, Unguided
from lapt.reasoning.across import PatternsAcross
from lapt.reasoning.config import (
    ChatReasoner,
    FrequencyReasoner,
    JoinedReasoner,
    PatternsReasoner,
    RandomReasoner,
    Reasoning,
    StatedReasoner,
)
from lapt.reasoning.endpoint.calls import Caller, ChatModel, Limits, Prices
from lapt.reasoning.endpoint.keys import check_block, key_from_variable
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.reasoning.endpoint.providers import prices_of
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.language.conditional.reasoner import Conditional
from lapt.reasoning.ordering import Ordering
from lapt.search.halving import check_rungs
from lapt.spaces import SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import RunRecord
from storage.runs.replies import ManualModel, StoredRecordings
from storage.store import Store


def reasoner_of(pipeline: Pipeline, execution: Execution, run_id: str, *, sample: int | None = None) -> Reasoner:
    """The reasoner of a pipeline.

    ``run_id``: the run for which calls of a language model are counted. ``sample``: its random seed;
    the pipeline's by default.

    Raises LaptError for a model that cannot be asked: a missing package, key or provider.
    """
    sample, config = pipeline.seed if sample is None else sample, pipeline.reasoner
    sources = sources_of(pipeline.source)

    def reads(one: Reasoning) -> Reasoner:
        return _reasoner(one, execution, run_id, sample, orders=pipeline.refinement == "order")

    if not sources:
        return Unguided()
    if len(sources) == 1:
        return reads(config) if isinstance(sources[0], Source) else recalled(sources[0], pipeline, execution)
    alone, together, names = config, [], [one.named for one in sources]
    if isinstance(config, PatternsReasoner):
        # Each would state what is known from elsewhere, and what the target shows: these are advisers of their own.
        if config.knowledge and config.evidence:
            alone = config.model_copy(update={"knowledge": 0.0})
        if config.knowledge and applying(space_of(pipeline)):
            together.append(reads(config.model_copy(update={"evidence": False})))
            names.append(EXPERTS_SAY)
    parts = [reads(alone) if isinstance(one, Source) else recalled(one, pipeline, execution) for one in sources]
    if isinstance(config, PatternsReasoner):
        for part in (*parts, *together):
            assert isinstance(part, Ordering)
            part.follows = False
        together.append(Following(Patterns()))
        names.append(Following.name)
    return Joined([*parts, *together], names=names, **widening(config))


def _reasoner(config: Reasoning, execution: Execution, run_id: str, sample: int, orders: bool) -> Reasoner:
    match config:
        case JoinedReasoner():
            advisers = [_reasoner(one, execution, run_id, sample, orders) for one in config.advisers]
            return Joined(advisers, breadth=config.breadth, growth=config.growth)
        case ChatReasoner():
            states: Callable[..., Chat] = Chat
            if config.prompt.form == "conditions":
                states = partial(Conditional, orders=orders)
            return states(
                caller_of(config, execution, run_id, sample=sample),
                parts=config.prompt,
                **config.model_dump(include={"draws", "combine", "max_operators", "max_sources", "on_invalid"}),
            )
        case RandomReasoner():
            return Chance(seed=sample, max_operators=config.max_operators, max_sources=config.max_sources)
        case PatternsReasoner():
            return PatternsAcross(**config.model_dump(exclude={"kind"}))
        case StatedReasoner():
            return Stated(config.principles, breadth=config.breadth, growth=config.growth)
        case FrequencyReasoner():
            return Frequency(max_operators=config.max_operators, max_sources=config.max_sources)


def caller_of(config: ChatReasoner, execution: Execution, run_id: str, *, sample: int) -> Caller:
    store = Store(execution.store)
    recordings = StoredRecordings(store, run_id)
    prices = prices_of(config.model) if config.prices is None else Prices(**config.prices.model_dump())
    if config.budget.cost is not None and prices is None:
        raise ConfigError(
            f"reasoner.prices for a budget in money, since none are known for {config.model}",
            "none",
            "write prices: {tokens_in: 2.5, tokens_out: 10}, for a million tokens",
        )
    model: ChatModel
    if config.model == "manual":
        model = ManualModel(store)
    else:
        asks = LangChainModel(
            config.model,
            key=None if execution.replies == "replay" else _key(config),  # a replay asks nobody
            **config.model_dump(
                include={
                    "base_url",
                    "temperature",
                    "max_tokens",
                    "timeout",
                    "tries",
                    "requests_per_second",
                    "structured",
                    "extra_body",
                    "system_message",
                    "streaming",
                    "api_version",
                }
            ),
        )
        if execution.replies == "auto" and not recordings.of_model(config.model):
            asks.ready()  # not after an archive that took hours
        model = asks
    return Caller(
        model,
        recordings,
        sample=sample,
        mode=execution.replies,
        repairs=config.repairs,
        limits=Limits(**config.budget.model_dump()),
        prices=prices,
    )


def _key(config: ChatReasoner) -> str | None:
    """The key that the declaration may use; None if it needs none, or if the client finds it by itself."""
    if config.key_block is None:
        return key_from_variable(config.model, config.base_url, config.key_env, os.environ)
    check_block(config.key_block, os.environ)
    return _secret(config.key_block)


def _secret(block: str) -> str:
    """The secret that the Prefect server keeps in that block. Raises ConfigError if there is none."""
    apply_environment()
    from prefect.blocks.system import Secret

    from flows.server.address import configured_address

    if configured_address() is None:  # Prefect would start one of its own, with an empty history, that reports home
        raise ConfigError(
            f"a Prefect server that keeps the Secret block {block}",
            "none",
            "set PREFECT_API_URL, or name the environment variable with the key as reasoner.key_env",
        )
    try:
        found = Secret.load(block, _sync=True).get()  # type: ignore[union-attr, call-arg]
    except ValueError as error:
        raise ConfigError(
            f"a Prefect Secret block {block}", f"{error}", "create it (lapt ui, Blocks), or name reasoner.key_env"
        ) from None
    return str(found).strip()


@dataclass(frozen=True)
class Built:
    """Everything a flow works with."""

    pipeline: Pipeline
    execution: Execution
    steps: Steps
    evaluator: EvaluatorOf
    store: Store
    record: RunRecord
    read: SourceOf

    @property
    def space(self) -> SearchSpace:
        return self.steps.space

    @property
    def run_id(self) -> str:
        return self.record.run_id


def build(pipeline: Pipeline, execution: Execution) -> Built:
    """Build the objects of a flow. Raises LaptError, before any work is done, if something named is missing."""
    space, store = space_of(pipeline), Store(execution.store)
    checksum, evaluator = evaluators_of(pipeline, execution, space, store)
    say_constraints(pipeline, space, map(evaluator, pipeline.targets))
    checksums, read = read_from(pipeline, execution, space, evaluator)
    check_read(pipeline, space, read)
    check_transferred(pipeline, space, read)
    say_other_columns(pipeline, execution)
    for target in pipeline.targets:
        cost_of(pipeline, evaluator(target))  # an objective that is not known ends here
        if pipeline.fidelity is not None:
            check_rungs(evaluator(target), pipeline.fidelity)
    if execution.dispatch == "deployment":
        evaluator = dispatched_to(pipeline, execution, evaluator)
    record = RunRecord(store, run_id(pipeline, checksum_of(checksum, checksums)))
    reasoner = reasoner_of(pipeline, execution, record.run_id)
    built = Built(
        pipeline=pipeline,
        execution=execution,
        steps=Steps(pipeline, space, reasoner),
        evaluator=evaluator,
        store=store,
        record=record,
        read=read,
    )
    hand_made(built)
    return built


def hand_made(built: Built) -> Built | None:
    """The objects that train the hand-made networks among a run's controls; None without them.

    Raises LaptError before anything is trained: no torchvision, no test images, by which alone they are compared.
    """
    pipeline, execution = built.pipeline.hand_made, built.execution
    if pipeline is None:
        return None
    space = space_of(pipeline)
    _, evaluator = evaluators_of(pipeline, execution, space, built.store)
    for task in pipeline.targets:
        found = evaluator(task)
        if isinstance(found, StoredEvaluator) and not found.retrains:
            raise ConfigError(
                f"test images of {task}, by which hand-made networks are compared",
                "none",
                "add a test folder or split, or leave them out of controls",
            )
    if execution.dispatch == "deployment":
        evaluator = dispatched_to(pipeline, execution, evaluator)
    return replace(built, pipeline=pipeline, steps=Steps(pipeline, space, Unguided()), evaluator=evaluator)


def say_constraints(pipeline: Pipeline, space: SearchSpace, evaluators: Iterable[Evaluator]) -> None:
    """Say how much of the space the constraints leave on each target. Raises ConfigError where nothing is left."""
    if pipeline.constraints:
        for said in dict.fromkeys(checked(pipeline.constraints, space, evaluator) for evaluator in evaluators):
            warnings.warn(Notice(said), stacklevel=3)


_ready: ContextVar[Built | None] = ContextVar("lapt_built", default=None)


@contextmanager
def ready(built: Built) -> Iterator[None]:
    """Hand these objects to the flow that is run inside."""
    token = _ready.set(built)
    try:
        yield
    finally:
        _ready.reset(token)


def built_for(pipeline: Pipeline, execution: Execution) -> Built:
    """The objects that were handed over for this run (``ready``), or new ones. Raises LaptError as ``build`` does."""
    found = _ready.get()
    if found is not None and (found.pipeline, found.execution) == (pipeline, execution):
        return found
    return build(pipeline, execution)


def checksum_of(evaluator: str, tables: Sequence[str]) -> str:
    """The checksum of all data of a run: of its evaluator, and of the tables that sources name."""
    return digest([evaluator, *tables]) if tables else evaluator


def run_id(pipeline: Pipeline, data_checksum: str) -> str:
    """The id of a computation, 12 hex digits: of configuration with seed, data and algorithm version, not execution.

    Keys that earlier versions did not have are left out at their defaults (``added``), so earlier runs keep their ids.
    So are keys of the adaptation that say what versions without them did (``EARLIER``).
    """
    declared = pipeline.model_dump(mode="json")
    for key, before in EARLIER.items():
        if declared["adaptation"][key] == before:
            del declared["adaptation"][key]
    return short({"pipeline": declared, "data": data_checksum, "algorithm": VERSION})
