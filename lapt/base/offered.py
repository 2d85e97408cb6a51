"""Things by name: LAPT's own, and those that installed packages offer by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from lapt.errors import ConfigError

T = TypeVar("T")


class Offered(Mapping[str, T], Generic[T]):
    """Name -> thing. LAPT's own names cannot be taken. Another package is imported when its thing is looked up.

    ``group``: of the entry points. ``kind``: the thing in a word, ``wanted`` in full; ``suits``: the test for it.
    """

    def __init__(
        self, group: str, own: Mapping[str, T], *, kind: str, wanted: str, suits: Callable[[object], bool]
    ) -> None:
        self.group, self._own = group, own
        self._kind, self._wanted, self._suits = kind, wanted, suits

    def __getitem__(self, name: str) -> T:
        """Raises KeyError for an unknown name, ConfigError for an offer that is something else or fails."""
        if name in self._own:
            return self._own[name]
        offer = self._offers[name]
        try:
            found: T = offer.load()
        except Exception as error:  # whatever another package does when it is imported
            raise self._broken(offer, f"{type(error).__name__}: {error}") from error
        if not self._suits(found):
            raise self._broken(offer, f"{found!r:.80}")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._offers  # without an import

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._own, *self._offers])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def _offers(self) -> dict[str, EntryPoint]:
        return {offer.name: offer for offer in entry_points(group=self.group)}

    def _broken(self, offer: EntryPoint, got: str) -> ConfigError:
        package = offer.dist.name if offer.dist is not None else offer.value
        return ConfigError(
            f"{self._wanted} behind the {self._kind} {offer.name} of {package}",
            " ".join(got.split()),
            f"mend or remove {package}",
        )
