"""Replies of a language model as principles: what each draw stated, read as conditions on layers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lapt.errors import ConfigError
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.evidence import counted
from lapt.reasoning.exported import of_claims
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


def replies_in(path: Path, where: Sequence[str] = ()) -> list[Recorded]:
    """The replies in a JSON Lines file.

    ``where``: ``key=value``: only lines that have this value; a key that is said twice may have either. Raises
    ConfigError with the number of the first line that is no reply, and if no line is left.
    """
    wanted = _wanted(where)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a UTF-8 file of replies at {path}", " ".join(str(error).split()), "mend the file") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            reply = Recorded.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            got = ": ".join([*(str(part) for part in first["loc"]), first["msg"]])
            raise _no_reply(number, path, got) from None
        except ValueError as error:
            raise _no_reply(number, path, str(error)) from None
        if all(str(said.get(key)) in values for key, values in wanted.items()):
            found.append(reply)
    if not found:
        raise ConfigError(f"replies in {path}", f"none where {', '.join(where)}" if where else "none", "name others")
    return found


def _no_reply(number: int, path: Path, got: str) -> ConfigError:
    remedy = "write one JSON object a line, with the keys step, draw and reply"
    return ConfigError(f"a reply in line {number} of {path}", got, remedy)


def _wanted(where: Sequence[str]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for one in where:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise ConfigError("--where key=value", f"--where {one}", "write, for example, --where draw=1")
        wanted.setdefault(key, set()).add(value)
    return wanted


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
        yield from of_claims(principle, f"draw {recorded.draw}")
