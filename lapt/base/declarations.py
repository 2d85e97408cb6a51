"""Reader of the YAML that users write, declarations and values: the only one in LAPT."""

from __future__ import annotations

import re
import stat
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from lapt.errors import ConfigError

LONGEST = 1_000_000
"""Largest size in bytes of a file that is read."""
ENTRIES = 100_000
"""Largest number of values and keys in a text. Those behind aliases count each time."""
DIGITS = 1_000
"""Longest number, in characters. 1:1:1:... counts in sixties, and 100,000 such digits take minutes."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200)]
"""Name of a table or surrogate: a file in the data folder, and nothing outside."""

LONGEST_NAME = 200


def _name(text: str) -> str:
    if not text or len(text) > LONGEST_NAME or not text.isprintable() or text != text.strip():
        raise ValueError(f"a name is 1 to {LONGEST_NAME} printable characters, without space around them")
    return text


Name = Annotated[str, AfterValidator(_name)]
"""Name of a task: a word of the user's, in any language. Code that prints it escapes special characters."""


class Frozen(BaseModel):
    """A declaration with the fields that its class names and no others. It never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def added(default: Any, **field: Any) -> Any:
    """A pydantic field for a key that an earlier version did not have.

    It is not written while it has its default. So run ids, fingerprints and stored configurations stay as they were
    before the key existed.
    """
    return Field(default, exclude_if=lambda value: value == default, **field)


def text_of(path: Path) -> str:
    """The text of a file. Raises ConfigError if it cannot be read, or is too long."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError("no regular file")
        if found.st_size > LONGEST:
            raise OSError(f"{found.st_size:,} bytes, more than {LONGEST:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a UTF-8 text file at {path}", " ".join(str(error).split()), "mend the file") from None


def parsed(text: str, where: str, remedy: str) -> dict[str, Any]:
    """The mapping in a YAML text. Raises ConfigError for anything else, with that remedy."""
    try:
        declared = value_of(text)
    except ValueError as error:
        tabs = "indent with spaces" if "'\\t'" in str(error) else "mend the file"
        raise ConfigError(f"YAML in {where}", str(error), tabs) from None
    if not isinstance(declared, dict):
        raise ConfigError(f"a mapping in {where}", type(declared).__name__, remedy)
    return declared


def value_of(text: str) -> Any:
    """The value of a YAML text. Raises ValueError, in one line with the text's line number, if it is not valid."""
    try:
        _check_values(text)
        return _apart(_Strict(text).get_single_data())
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(line + " ".join(problem.split())) from None
    except yaml.reader.ReaderError as error:
        raise ValueError(f"the character #x{error.character:04x} at position {error.position}") from None
    except RecursionError:
        raise ValueError("lists and mappings in each other, too deep to read") from None


def _check_values(text: str) -> None:
    """Raise for a long text with too many values, by the fast parser of libyaml where there is one."""
    parser = getattr(yaml, "CSafeLoader", None)
    if parser is None or len(text) < ENTRIES:
        return
    values = depth = 0
    try:
        for event in yaml.parse(text, Loader=parser):
            values += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if values > ENTRIES or depth > DIGITS:  # libyaml is slow where lists lie deep in each other
                break
    except yaml.YAMLError:  # the other parser says it in its own words
        return
    if values > ENTRIES:
        raise yaml.MarkedYAMLError(problem=f"more than {ENTRIES:,} values", problem_mark=event.start_mark)  # type: ignore[arg-type]


def _apart(value: Any) -> Any:
    """A copy of the value in which aliases share nothing: a change in one place leaves the others as they are."""
    if isinstance(value, dict):
        return {key: _apart(one) for key, one in value.items()}
    return [_apart(one) for one in value] if isinstance(value, list) else value


class _Strict(yaml.SafeLoader):
    """Safe YAML of bounded size, with merge keys. A repeated key is an error; elsewhere the last one would win."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._composed = 0
        self._entries: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._composed += 1
        node = super().compose_node(parent, index)
        if self._composed > ENTRIES and node is not None:
            raise _fault(f"more than {ENTRIES:,} values", node)
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            self._count(node)
        return node

    def _count(self, node: yaml.Node) -> int:
        """The number of entries of a node. Raises for aliases with too many or endless entries, before anything is
        built."""
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > DIGITS and node.tag.endswith((":int", ":float")):
                raise _fault(f"a number of more than {DIGITS:,} characters", node)
            return 1
        if node not in self._entries:
            self._entries[node] = 0
            if isinstance(node, yaml.MappingNode):
                self._check_keys(node)
                parts = [part for pair in node.value for part in pair]
            else:
                parts = node.value
                for one, other in pairwise(parts):
                    if other.value[:1] == "0" and _torn(one, other):
                        raise _two_things(one, other)
            self._entries[node] = 1 + sum(map(self._count, parts))
        if self._entries[node] == 0:
            raise _fault("an alias inside what it stands for", node)
        if self._entries[node] > ENTRIES:
            raise _fault(f"aliases that stand for more than {ENTRIES:,} values", node)
        return self._entries[node]

    def _check_keys(self, node: yaml.MappingNode) -> None:
        known: set[Any] = set()
        before: yaml.Node | None = None
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault("a key that is no text", key)
            if before is not None and not value.value and _torn(before, key):
                raise _two_things(before, key)
            merges = key.tag.endswith(":merge")
            said = (merges, "<<" if merges else self.construct_object(key))
            if said in known:
                again = "; write <<: [*one, *other]" if merges else ""
                raise _fault(f"the key {said[1]!r} stands twice{again}", key)
            known.add(said)
            before = value


def _fault(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _torn(one: yaml.Node, other: yaml.Node) -> bool:
    """Whether these are two numbers with only a comma between them."""
    numbers = (
        isinstance(n, yaml.ScalarNode) and not n.style and re.fullmatch(r"[-+]?\d+", n.value) for n in (one, other)
    )
    return all(numbers) and one.end_mark.index + 1 == other.start_mark.index


def _two_things(one: yaml.Node, other: yaml.Node) -> yaml.MarkedYAMLError:
    said = f"{one.value},{other.value}"
    return _fault(f"{said} is two things here, {one.value} and {other.value}: write a number without a comma", one)
