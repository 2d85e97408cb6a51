"""Genotypes: how the literature after DARTS (Liu et al. 2019) writes a pair of cells down.

    Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...], normal_concat=range(2, 6),
             reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ...], reduce_concat=range(2, 6))

The inputs of a cell, the outputs of the cells before the last and last, have the numbers 0 and 1, its nodes 2, 3, ...
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

from lapt.errors import SpaceError

LONGEST = 5_000
"""Characters of a text that are read."""
FIRST = 2
"""Number of a cell's first node: the inputs come before."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


class Edge(NamedTuple):
    """One summand of a node: an operator, and the number of the input or node that it reads."""

    operator: str
    source: int


Nodes = tuple[tuple[Edge, ...], ...]
"""The edges into each node, from node 2 on."""


class Genotype(NamedTuple):
    """A normal and a reduction cell. A cell's output is the concatenation of the nodes that ``..._concat`` numbers."""

    normal: Nodes
    normal_concat: tuple[int, ...]
    reduce: Nodes
    reduce_concat: tuple[int, ...]

    def __str__(self) -> str:
        """In one line, as Python code that every DARTS code base reads. Two edges a node, in order."""
        cells = (_edges(self.normal), _concat(self.normal_concat), _edges(self.reduce), _concat(self.reduce_concat))
        return f"Genotype({', '.join(f'{field}={value}' for field, value in zip(FIELDS, cells, strict=True))})"


def genotype(text: str) -> Genotype:
    """The genotype behind such a text, which is read and never run; line breaks and lists for ranges are welcome.

    Raises SpaceError, with what is wrong, for anything else.
    """
    try:
        call = _call(text)
        given = dict(zip(FIELDS, call.args, strict=False)) | {str(word.arg): word.value for word in call.keywords}
        if sorted(given) != sorted(FIELDS) or len(call.args) + len(call.keywords) != len(FIELDS):
            raise ValueError(f"the fields {sorted(given)}")
        return Genotype(
            normal=_nodes(given["normal"]),
            normal_concat=_numbers(given["normal_concat"]),
            reduce=_nodes(given["reduce"]),
            reduce_concat=_numbers(given["reduce_concat"]),
        )
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as fault:
        raise SpaceError(
            "a darts cell such as Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...], "
            "normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))",
            f"{text[:120]!r} ({str(fault)[:120]})",
            "print the namedtuple and pass its text",
        ) from None


def _call(text: str) -> ast.Call:
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters")
    node = ast.parse(text.strip(), mode="eval").body
    if not isinstance(node, ast.Call):
        raise ValueError("no Genotype(...)")
    return node


def _nodes(node: ast.expr) -> Nodes:
    """Two edges a node, in order."""
    edges = [_edge(item) for item in ast.literal_eval(node)]
    if not edges or len(edges) % 2:
        raise ValueError(f"{len(edges)} edges in a cell")
    return tuple((edges[at], edges[at + 1]) for at in range(0, len(edges), 2))


def _edge(item: object) -> Edge:
    match item:
        case (str(operator), int(source)) if source >= 0:
            return Edge(operator, source)
    raise ValueError(f"{item!r} is no (operator, number)")


def _numbers(node: ast.expr) -> tuple[int, ...]:
    """``range(2, 6)``, ``[2, 3, 4, 5]`` or a tuple."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        if node.keywords or len(node.args) not in (1, 2):
            raise ValueError("a range of a first and a last number")
        bounds = [ast.literal_eval(argument) for argument in node.args]
        if not all(isinstance(bound, int) and 0 <= bound <= LONGEST for bound in bounds):
            raise ValueError(f"range{tuple(bounds)}")
        return tuple(range(*bounds))
    numbers = tuple(ast.literal_eval(node))
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError(f"{numbers} are no numbers of nodes")
    return numbers


def _edges(nodes: Nodes) -> str:
    return f"[{', '.join(f'({edge.operator!r}, {edge.source})' for node in nodes for edge in node)}]"


def _concat(numbers: Iterable[int]) -> str:
    numbers = list(numbers)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else False
    return f"range({numbers[0]}, {numbers[-1] + 1})" if whole else f"{numbers}"
