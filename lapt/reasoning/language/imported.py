"""Replies of a language model as principles: what each draw stated, read as conditions on layers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lapt.conditions.language import Choice, ChoiceOf
from lapt.errors import ConfigError
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.evidence import counted
from lapt.reasoning.language.replies import LEARN, read_principles
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.spaces import SearchSpace


class Recorded(BaseModel):
    """A line of a file of replies. Other keys are ignored.

    ``draw``: the number of the separate conversation; ``archive``: in words, what the model had read.
    """

    model_config = ConfigDict(extra="ignore")

    step: str = "learn"
    reply: str | dict[str, Any]
    draw: int = Field(1, ge=0)
    space: str = ""
    archive: str = ""


def replies_in(path: Path) -> list[Recorded]:
    """The replies in a JSON Lines file. Raises ConfigError with the number of the first line that is none."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a UTF-8 file of replies at {path}", " ".join(str(error).split()), "mend the file") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(Recorded.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                at = ".".join(str(part) for part in first["loc"])
                got = f"{at}: {first['msg']}" if at else first["msg"]
                remedy = "write one JSON object a line, with the keys step, draw and reply"
                raise ConfigError(f"a reply in line {number} of {path}", got, remedy) from None
    return found


def as_statements(replies: Sequence[Recorded], space: SearchSpace) -> StatedPrinciples:
    """The statements on layers in the replies to the step ``learn``, each draw an adviser.

    A claim to keep some operators of a layer is the condition that the layer chooses one of them, with weight 1; to
    avoid them, with weight -1. Raises ConfigError for a reply that does not fit the space, and for none.
    """
    found: list[Statement] = []
    for one in replies:
        if one.step == "learn":
            found += _of_reply(one, space)
    if not found:
        raise ConfigError(
            "a reply to the step learn", f"{len(replies)} replies, none of them to it", "name another file"
        )
    return StatedPrinciples(space=space.name, principles=tuple(found))


def _of_reply(recorded: Recorded, space: SearchSpace) -> Iterator[Statement]:
    text = recorded.reply if isinstance(recorded.reply, str) else json.dumps(recorded.reply)
    try:
        read = read_principles(text, space, Vocabulary.plain(space), LEARN, tuple(counted(space, (), "")), draw=0)
    except InvalidReply as fault:
        raise ConfigError(
            f"a reply about {space.name} as draw {recorded.draw}", str(fault), "name the space that it is about"
        ) from None
    for principle in read:
        claimed: dict[tuple[str, bool], dict[str, list[str]]] = {}
        for claim in principle.claims:
            key = claim.layer, claim.effect in ("avoid", "set_aside")
            claimed.setdefault(key, {}).setdefault(f"{claim.kind}s", []).append(claim.candidate)
        for (layer, avoids), named in claimed.items():
            yield Statement(
                condition=Choice(choice=ChoiceOf(layer=layer, **{kind: tuple(names) for kind, names in named.items()})),
                weight=-1.0 if avoids else 1.0,
                statement=principle.statement,
                adviser=f"draw {recorded.draw}",
                rationale=principle.rationale,
            )
