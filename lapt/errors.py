"""Errors in three parts: what was expected, what came, what to do."""

import traceback
from collections.abc import Iterable
from difflib import get_close_matches


def or_meant(wrong: object, known: Iterable[str], remedy: str) -> str:
    """The remedy, or the known name that is spelt almost so."""
    close = get_close_matches(str(wrong), list(known), n=1)
    return f"did you mean {close[0]}?" if close else remedy


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and bytes that are no UTF-8 are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class Notice(UserWarning):
    """A message to the user about something that is no fault, such as how an input was read."""


class LaptError(Exception):
    """Base of every error LAPT raises on purpose. The command line prints it as one line.

    ``usage`` tells a wrong request (exit status 2) from a failure on the way (exit status 1).
    """

    usage = False

    def __init__(self, expected: str, got: str, remedy: str) -> None:
        self.expected, self.got, self.remedy = expected, got, remedy
        super().__init__(f"expected {expected}; got {got}; {remedy}")

    def __reduce__(self) -> tuple[type["LaptError"], tuple[str, str, str]]:
        return type(self), (self.expected, self.got, self.remedy)


class SpaceError(LaptError):
    """An architecture, layer, operator or source that the search space does not have."""


class ConfigError(LaptError):
    """A pipeline declaration that cannot be run as written."""

    usage = True


class BenchmarkError(LaptError):
    """A benchmark table that is missing, incomplete or inconsistent."""


class DataError(LaptError):
    """Image data that cannot be found or read, or do not suit the task."""


class StoreError(LaptError):
    """A result store that cannot be read or written."""


class BudgetSpent(LaptError):
    """A limit of the run that has been reached. A search that meets it ends with its best so far."""


class Stopped(Exception):
    """The end of a run that somebody stopped on purpose from elsewhere, as by Ctrl-C. Its text says how."""


def interruption(error: BaseException) -> KeyboardInterrupt | SystemExit | None:
    """The Ctrl-C, or the end by a signal, behind ``error``, if one is.

    Prefect answers a Ctrl-C that falls between two of its own steps with an error of its own: one time in 150 a
    ``ValueError: Task run is not set``.
    """
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, KeyboardInterrupt | SystemExit):
            return one
        if id(one) not in seen:
            seen.add(id(one))
            inside = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            waiting += [behind for behind in (one.__cause__, one.__context__, *inside) if behind is not None]
    return None


def release(error: BaseException) -> None:
    """Release the objects that a failure's frames hold: an open database, processes whose work nobody needs now."""
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__
