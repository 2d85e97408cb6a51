"""A run or a study as one page of HTML that needs nothing else: no network, no script, no font."""

from lapt.report.history import Attempt, RunHistory, Search, TaskCosts, TaskHistory, Trial
from lapt.report.run import run_page

__all__ = ["Attempt", "RunHistory", "Search", "TaskCosts", "TaskHistory", "Trial", "run_page"]
