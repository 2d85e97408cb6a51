"""Evaluators, which score an architecture on a task."""

from lapt.evaluators.table import Table, TableEvaluator

__all__ = ["Table", "TableEvaluator"]
