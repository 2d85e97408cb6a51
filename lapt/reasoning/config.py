"""The section ``reasoner`` of a pipeline: the kind of reasoner and its settings."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_serializer, field_validator, model_validator

from lapt.base.declarations import Frozen, added
from lapt.reasoning.endpoint.addresses import Server, without_login
from lapt.reasoning.endpoint.models import Structured
from lapt.reasoning.language.chat import Combine, OnInvalid
from lapt.reasoning.language.parts import EVERY_PART, PromptParts
from lapt.reasoning.statements import StatedPrinciples, in_line


class _Reasoner(Frozen):
    kind: str

    @property
    def named(self) -> str:
        """Its name on the command line."""
        return self.kind

    @property
    def refines(self) -> str:
        """The rule that narrows a space, if its principles do not state one."""
        return ""


class FrequencyReasoner(_Reasoner):
    """No LLM: counts what good architectures have in common."""

    kind: Literal["frequency"] = "frequency"
    max_operators: int = Field(2, ge=1, description="operators a layer keeps")
    max_sources: int = Field(2, ge=1, description="sources a layer keeps")


class PatternsReasoner(_Reasoner):
    """No LLM: differences in function between good architectures and their space, and experts' principles."""

    kind: Literal["patterns"] = "patterns"
    breadth: float = Field(0.015, gt=0, le=1, description="largest share of the whole space in the first refined one")
    growth: float = Field(20.0, ge=1, description="factor by which each adaptation widens it; 1: never")
    knowledge: float = Field(1.0, ge=0, description="weight of experts' principles beside the source's; 0: none")
    evidence: bool = Field(True, description="learn from the source; if false, only experts' principles")

    @model_validator(mode="after")
    def _says_something(self) -> PatternsReasoner:
        if not self.evidence and not self.knowledge:
            raise ValueError("knowledge 0 and no evidence leave nothing to state")
        return self

    @property
    def refines(self) -> str:
        """The rule that narrows a space."""
        kept = (
            "The patterns reasoner keeps the candidates that its principles together find most promising: at most "
            f"{100 * self.breadth:.3g} % of the space"
        )
        if self.growth == 1:
            return f"{kept}."
        return (
            f"{kept} at first, and {self.growth:g} times as much after each adaptation ({self.growth**2:g} times where "
            "nothing better was found), since what the target has shown is to lead the search more and more."
        )


class StatedReasoner(_Reasoner):
    """Given principles: conditions in a file, with the adviser of each."""

    kind: Literal["stated"]
    principles: Annotated[StatedPrinciples, BeforeValidator(in_line)] = Field(
        description="a file of principles (lapt principles import); its content becomes part of the pipeline"
    )
    breadth: float = Field(0.015, gt=0, le=1, description="largest share of the whole space in the first refined one")
    growth: float = Field(20.0, ge=1, description="factor by which each adaptation widens it; 1: never")

    @property
    def named(self) -> str:
        """Its kind, with the advisers that the file names: files of one study are told apart by them."""
        advisers = dict.fromkeys(one.adviser for one in self.principles.principles if one.adviser)
        said = ", ".join(advisers) if len(advisers) < 3 else f"{len(advisers)} advisers"
        return f"{self.kind} ({said})" if advisers else self.kind


class ReasonerBudget(Frozen):
    """Limits of a language model's cost in a run. A run that meets one ends with its best so far."""

    calls: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1, description="in and out")
    cost: float | None = Field(None, gt=0, description="in the currency of the prices")


class ReasonerPrices(Frozen):
    """Money a million tokens."""

    tokens_in: float = Field(ge=0)
    tokens_out: float = Field(ge=0)


class ChatReasoner(_Reasoner):
    """A language model, through LangChain: the reasoner of the paper. Keys are named here by variable, never given."""

    kind: Literal["chat"]
    model: str = Field(
        pattern=r"^(manual|[^\s:]+:\S+)$",
        description="provider:name, such as openai:gpt-4o; or manual, to carry prompts to any chat",
    )
    base_url: str | None = Field(
        None, repr=False, description="a server of one's own that speaks the provider's protocol; Azure's endpoint"
    )
    key_env: str | None = Field(
        None, description="environment variable with the key, listed in LAPT_ALLOW_KEYS; the provider's own if unset"
    )
    key_block: str | None = Field(
        None, description="Prefect Secret block with the key, listed in LAPT_ALLOW_KEY_BLOCKS"
    )
    api_version: str | None = added(None, description="of Azure's API; OPENAI_API_VERSION if unset")
    temperature: float | None = Field(None, ge=0, description="the provider's default if unset")
    max_tokens: int | None = Field(None, ge=1, description="of a reply")
    timeout: float = Field(300.0, gt=0, description="seconds a request may take")
    tries: int = Field(5, ge=1, description="tries of a request after a rate limit, a server error or a timeout")
    requests_per_second: float | None = Field(None, gt=0)
    structured: Structured = "auto"
    extra_body: dict[str, JsonValue] | None = added(None, description="additions to a request; no keys")
    system_message: bool = added(True, description="false: the role stands before the first prompt")
    streaming: bool = added(False, description="ask for replies piece by piece")
    repairs: int = Field(2, ge=0, description="times that an invalid reply is sent back with its fault")
    on_invalid: OnInvalid = Field("raise", description="after the last repair: raise, or let frequency stand in")
    draws: int = Field(1, ge=1, description="replies to each prompt")
    combine: Combine = Field("majority", description="rule to combine the draws, layer by layer")
    max_operators: int | None = Field(3, ge=1, description="operators a layer keeps")
    max_sources: int | None = Field(2, ge=1, description="sources a layer keeps")
    prompt: PromptParts = EVERY_PART
    budget: ReasonerBudget = ReasonerBudget()
    prices: ReasonerPrices | None = Field(None, description="prices of the model; the known ones if unset")

    @property
    def named(self) -> str:
        return f"chat:{self.model}"

    @field_validator("api_version", mode="before")
    @classmethod
    def _is_no_date(cls, version: object) -> object:
        """Turn a date back into text: YAML reads 2024-10-21 as a date."""
        return version.isoformat() if isinstance(version, date) else version

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        if base_url is not None:
            Server.at(base_url)
        return base_url

    @field_validator("extra_body")
    @classmethod
    def _adds(cls, body: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        """Refuse additions to a request that would change a field recorded with the call."""
        said = sorted({"messages", "model", "response_format", "stream"} & set(body or ()))
        if said:
            raise ValueError(f"{said[0]} is said by other keys")
        json.dumps(body, allow_nan=False)
        return body

    @field_serializer("base_url", when_used="json")
    def _stored(self, base_url: str | None) -> str | None:
        """Remove user and password from the address that the store and Prefect write down."""
        return None if base_url is None else without_login(base_url)


class RandomReasoner(_Reasoner):
    """Operators drawn at random: a baseline for reasoning."""

    kind: Literal["random"]
    max_operators: int = Field(2, ge=1, description="operators a layer keeps")
    max_sources: int = Field(2, ge=1, description="sources a layer keeps")


Alone = Annotated[
    PatternsReasoner | FrequencyReasoner | ChatReasoner | RandomReasoner | StatedReasoner, Field(discriminator="kind")
]


class JoinedReasoner(_Reasoner):
    """Several reasoners that advise together."""

    kind: Literal["joined"]
    advisers: tuple[Alone, ...] = Field(min_length=2, max_length=8, description="reasoners, as the section has them")
    breadth: float = Field(0.015, gt=0, le=1, description="largest share of the whole space in the first refined one")
    growth: float = Field(20.0, ge=1, description="factor by which each adaptation widens it; 1: never")

    @property
    def named(self) -> str:
        return "+".join(one.named for one in self.advisers)


Reasoning = Annotated[
    PatternsReasoner | FrequencyReasoner | ChatReasoner | RandomReasoner | StatedReasoner | JoinedReasoner,
    Field(discriminator="kind"),
]


def parts_of(reasoner: Reasoning) -> tuple[Alone, ...]:
    """The reasoners that are joined; the one itself if it stands alone."""
    return reasoner.advisers if isinstance(reasoner, JoinedReasoner) else (reasoner,)


def asks_a_model(reasoner: Reasoning) -> bool:
    """Whether it, or one that is joined in it, asks a language model."""
    return any(isinstance(one, ChatReasoner) for one in parts_of(reasoner))


def deterministic(reasoner: Reasoning) -> bool:
    """Whether it states the same of the same architectures, whatever the seed."""
    return not any(isinstance(one, ChatReasoner | RandomReasoner) for one in parts_of(reasoner))
