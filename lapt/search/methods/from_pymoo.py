"""The parts of pymoo that ``nsga2`` uses. It takes a second to import, and is imported when a search begins."""

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UX
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.problems.static import StaticProblem

__all__ = [
    "NSGA2",
    "UX",
    "Choice",
    "ChoiceRandomMutation",
    "Evaluator",
    "NoTermination",
    "Population",
    "Problem",
    "StaticProblem",
]
