"""Errors in three parts: what was expected, what came, what to do."""


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


class StoreError(LaptError):
    """A result store that cannot be read or written."""


class BudgetSpent(LaptError):
    """What a run may cost is spent. A search that meets it ends with its best so far."""
