"""Tools for tests and demonstrations: invented benchmarks, and suites that any implementation must pass."""

from lapt.testing.invented import invented_strengths, invented_table

__all__ = ["invented_strengths", "invented_table"]
