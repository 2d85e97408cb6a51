"""Safe reader of pickles from other people: it runs nothing that they name.

Python's unpickler imports and calls any name in a pickle, makes tables of any size, and keeps every object that it met.
For NAS-Bench-201's 4.7 GB the benchmark's own API was reported to take 28 GB of memory. This reader knows the opcodes
of plain data and a short list of names. It reports each dictionary as it grows, so that the caller can drop parts that
are not needed: 0.8 GB (``benchmarks/official_import.py``).
"""

from __future__ import annotations

import pickletools
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tarfile import TarError
from typing import Any, Protocol
from zipfile import BadZipFile

from lapt.errors import BenchmarkError
from storage.benchmarks.official.pickled_names import LEFT_OUT, Broken, Forbidden, Named, build, check_keys, made, named

CHUNK = 1 << 20
"""Bytes of one read, and the longest text."""
MARGIN = 512
"""Longer than any short opcode with its argument. A stream is padded with as many zeros, and zero is no opcode."""
WAITING = 100_000
"""Bound on the objects that wait for their container. Pickle writes containers in batches of 1,000."""
REMEMBERED = 100_000
"""Number of different texts that are kept and shared. 60 million keys in NAS-Bench-201 have a few thousand texts."""


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any fault in a file's bytes into a BenchmarkError that names the file."""
    try:
        yield
    except BenchmarkError:
        raise
    except Forbidden as error:
        raise BenchmarkError(
            f"plain data in {path}: numbers, texts, lists and dictionaries",
            f"a pickle that names {error}, which is never run here",
            "do not trust this file; download it from those who made the benchmark",
        ) from None
    except (
        *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, TypeError, ValueError),
        *(RecursionError, RuntimeError, NotImplementedError, struct.error, zlib.error, BadZipFile, TarError),
    ) as error:
        raise BenchmarkError(f"a whole benchmark file at {path}", _reason(error), "download it again") from error


def _reason(error: Exception) -> str:
    text = (f"{error}".splitlines() or [""])[0][:200]
    if isinstance(error, OSError):
        return error.strerror or text or "a damaged file"
    return text if isinstance(error, Broken) else f"a damaged file ({type(error).__name__}: {text})"


# --- the machine -----------------------------------------------------------------------------------------------------
_CODES = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
_NAMES = {code: name for name, code in _CODES.items()}
_FLOAT, _GET1, _GET4, _PUT1, _PUT4 = (
    _CODES[name] for name in ("BINFLOAT", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT")
)
_INT1, _TEXT1, _TEXT4, _MARK, _ITEMS = (
    _CODES[name] for name in ("BININT1", "SHORT_BINUNICODE", "BINUNICODE", "MARK", "SETITEMS")
)
_MEMOIZE, _STOP = _CODES["MEMOIZE"], _CODES["STOP"]
_double, _word = struct.Struct(">d").unpack_from, struct.Struct("<I").unpack_from


class Unpickler:
    """Objects from a stream of pickles, one for each ``load``.

    ``grown`` is called with a dictionary after each batch of items, and may empty or change it. The unpickler never
    reads a container again. It raises Broken, Forbidden, or errors that ``reading`` catches.
    """

    def __init__(self, source: Source, grown: Callable[[dict[Any, Any]], None] = lambda _: None) -> None:
        self._source, self._grown = source, grown
        self._buffer, self._at, self._ended = b"", 0, False
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: list[Any] = []
        self._texts: dict[bytes, str] = {}

    def load(self) -> Any:
        """Read the next object. The frequent opcodes are inlined, with local names: 30 MB/s, a quarter of Python's own
        in C."""
        stack: list[Any] = []
        marks: list[list[Any]] = []
        memo: list[Any] = []
        self._marks, self._memo = marks, memo
        buffer, at, safe = self._buffer, self._at, len(self._buffer) - MARGIN
        texts, push, remember = self._texts, stack.append, memo.append
        while True:
            if at >= safe:
                self._at, self._stack = at, stack
                self._fill(MARGIN + 1)
                buffer, at, safe = self._buffer, 0, len(self._buffer) - MARGIN
            code = buffer[at]
            if code == _FLOAT:
                push(_double(buffer, at + 1)[0])
                at += 9
            elif code == _GET4:
                push(memo[_word(buffer, at + 1)[0]])
                at += 5
            elif code == _INT1:
                push(buffer[at + 1])
                at += 2
            elif code == _GET1:
                push(memo[buffer[at + 1]])
                at += 2
            elif code == _PUT4 or code == _PUT1:  # noqa: SIM109 - a tuple would be built each time
                # Pickle counts up; another place would be a table as long as somebody likes.
                if len(memo) != (_word(buffer, at + 1)[0] if code == _PUT4 else buffer[at + 1]):
                    raise Broken("an object remembered out of order")
                remember(stack[-1])
                at += 5 if code == _PUT4 else 2
            elif code == _MEMOIZE:
                remember(stack[-1])
                at += 1
            elif code == _TEXT4 or code == _TEXT1:  # noqa: SIM109
                start = at + (5 if code == _TEXT4 else 2)
                stop = start + (_word(buffer, at + 1)[0] if code == _TEXT4 else buffer[at + 1])
                if stop > len(buffer):
                    self._at, self._stack = at, stack
                    self._fill(stop - at)
                    buffer, at, safe = self._buffer, 0, len(self._buffer) - MARGIN
                    continue
                raw = buffer[start:stop]
                try:
                    push(texts[raw])
                except KeyError:
                    if len(texts) >= REMEMBERED:
                        texts.clear()
                    push(texts.setdefault(raw, raw.decode()))
                at = stop
            elif code == _MARK:
                marks.append(stack)
                stack = []
                push = stack.append
                at += 1
            elif code == _ITEMS:
                items, stack = stack, marks.pop()
                push = stack.append
                self._put(stack[-1], items)
                at += 1
            elif code == _STOP:
                self._at = at + 1
                return stack.pop()
            else:
                self._at, self._stack = at + 1, stack
                self._rare(code)
                buffer, at, stack, safe = self._buffer, self._at, self._stack, len(self._buffer) - MARGIN
                push = stack.append

    def _fill(self, needed: int) -> None:
        """Read until the buffer has so many bytes, and let it begin with the next opcode."""
        if needed > CHUNK:
            raise Broken(f"a text of {needed:,} bytes")
        if len(self._stack) + sum(map(len, self._marks)) > WAITING:
            raise Broken(f"more than {WAITING:,} objects that belong to nothing")
        parts = [self._buffer[self._at :]]
        there = len(parts[0])
        while there < needed:
            more = self._source.read(CHUNK)
            if not more:
                if self._ended:
                    raise Broken("it ends in the middle")
                self._ended, more = True, bytes(MARGIN + 1)
            parts.append(more)
            there += len(more)
        self._buffer, self._at = b"".join(parts), 0

    def _take(self, size: int) -> bytes:
        if self._at + size > len(self._buffer):
            self._fill(size)
        self._at += size
        return self._buffer[self._at - size : self._at]

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> str:
        end = self._buffer.index(b"\n", self._at, self._at + MARGIN // 2)
        return self._take(end + 1 - self._at)[:-1].decode()

    def _marked(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _put(self, target: object, items: Sequence[Any]) -> None:
        if type(target) is not dict:
            raise Broken(f"items of a {type(target).__name__}")
        keys = items[::2]
        check_keys(keys)
        target.update(zip(keys, items[1::2], strict=True))
        self._grown(target)

    def _rare(self, code: int) -> None:
        """All other opcodes of plain data. ``_at`` is behind the opcode."""
        push, pop = self._stack.append, self._stack.pop
        match _NAMES.get(code):
            case "PROTO":
                self._take(1)
            case "FRAME":
                self._take(8)
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE" as name:
                push(name == "NEWTRUE")
            case "BININT":
                push(self._number(4, signed=True))
            case "BININT2":
                push(self._number(2))
            case "LONG1":
                push(self._number(self._number(1), signed=True))
            case "SHORT_BINBYTES":
                push(self._take(self._number(1)))
            case "BINBYTES":
                push(self._take(self._number(4)))
            case "EMPTY_DICT":
                push({})
            case "EMPTY_LIST":
                push([])
            case "EMPTY_TUPLE":
                push(())
            case "EMPTY_SET":
                push(set())
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                push(tuple([pop() for _ in range(int(name[-1]))][::-1]))
            case "TUPLE":
                members = tuple(self._marked())
                self._stack.append(members)
            case "FROZENSET":
                distinct = made(Named("builtins.frozenset"), (self._marked(),))
                self._stack.append(distinct)
            case "SETITEM":
                value, key = pop(), pop()
                self._put(self._stack[-1], [key, value])
            case "APPEND":
                self._extend([pop()])
            case "APPENDS":
                self._extend(self._marked())
            case "ADDITEMS":
                self._add(self._marked())
            case "GLOBAL":
                push(named(self._line(), self._line()))
            case "STACK_GLOBAL":
                name, module = pop(), pop()
                push(named(module, name))
            case "REDUCE":
                arguments, called = pop(), pop()
                push(made(called, arguments))
            case "BUILD":
                state = pop()
                build(self._stack[-1], state)
            case "BINPERSID":
                self._stack[-1] = LEFT_OUT
            case name:
                ends = self._ended and code == 0
                raise Broken(
                    "it ends in the middle" if ends else f"the opcode {name or code}, which no plain data needs"
                )

    def _extend(self, members: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise Broken(f"members of a {type(target).__name__}")
        target.extend(members)

    def _add(self, members: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise Broken(f"distinct members of a {type(target).__name__}")
        check_keys(members)
        target.update(members)
