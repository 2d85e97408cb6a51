"""Genotypes: how the literature after DARTS (Liu et al. 2019) writes a pair of cells down.

    Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...], normal_concat=range(2, 6),
             reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ...], reduce_concat=range(2, 6))

The inputs of a cell, the outputs of the cells before the last and last, have the numbers 0 and 1, its nodes 2, 3, ...
Pairs (operator, source) are two edges a node, in the order of the nodes. Cells whose nodes have other numbers of edges
are written in triples (operator, node, source), as those of FairDARTS (Chu et al. 2020), or in a list a node. The four
fields may also stand in a dictionary, and NAS-Bench-301's configurations (Zela et al. 2022) are dictionaries that name
every edge: edge_normal_0, ..., inputs_node_reduce_5.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

from lapt.errors import SpaceError

LONGEST = 5_000
"""Number of characters of a text that are read."""
FIRST = 2
"""Number of a cell's first node: the inputs come before."""
KINDS = ("normal", "reduce")
"""The two cells, by their names in genotypes."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_NAME = re.compile(r"^\s*\w+\s*=")
"""The assignment that a file of genotypes has before each of them, as in ``DARTS_V2 =``."""


class Edge(NamedTuple):
    """One summand of a node: an operator, and the number of the input or node that it reads."""

    operator: str
    source: int


Nodes = tuple[tuple[Edge, ...], ...]
"""The edges into each node, from node 2 on."""


class Genotype(NamedTuple):
    """A normal and a reduction cell. A cell's output is the concatenation of the nodes that ``..._concat`` numbers.

    A node without edges does not exist: nothing reads or concatenates it.
    """

    normal: Nodes
    normal_concat: tuple[int, ...]
    reduce: Nodes
    reduce_concat: tuple[int, ...]

    def __str__(self) -> str:
        """The genotype in one line, as Python code that every DARTS code base reads."""
        cells = (_edges(self.normal), _concat(self.normal_concat), _edges(self.reduce), _concat(self.reduce_concat))
        return f"Genotype({', '.join(f'{field}={value}' for field, value in zip(FIELDS, cells, strict=True))})"


def genotype(text: str) -> Genotype:
    """The genotype of a text in one of these forms. The text is parsed, never run.

    It may have line breaks, lists for ranges and a name before it (DARTS_V2 = ...). Raises SpaceError, with the reason,
    for any other text.
    """
    try:
        given = _fields(text)
        if any("edge_normal" in field for field in given):
            return _configured(given)
        if sorted(given) != sorted(FIELDS):
            raise ValueError(f"the fields {sorted(given)}")
        cells = {kind: _nodes(kind, given[kind]) for kind in KINDS}
        numbers = {kind: _existing(kind, cells[kind], _numbers(given[f"{kind}_concat"])) for kind in KINDS}
        return Genotype(cells["normal"], numbers["normal"], cells["reduce"], numbers["reduce"])
    except (SyntaxError, LookupError, ValueError, TypeError, RecursionError, MemoryError) as fault:
        raise SpaceError(
            "a darts cell such as Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...], "
            "normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))",
            f"{text[:120]!r} ({str(fault)[:120]})",
            "print the namedtuple and pass its text",
        ) from None


def _fields(text: str) -> dict[str, ast.expr]:
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters")
    node = ast.parse(_NAME.sub("", text).strip(), mode="eval").body
    if isinstance(node, ast.Dict):
        pairs = [(str(ast.literal_eval(key)), value) for key, value in zip(node.keys, node.values, strict=True) if key]
    elif isinstance(node, ast.Call) and len(node.args) <= len(FIELDS):
        pairs = [*zip(FIELDS, node.args, strict=False), *((str(word.arg), word.value) for word in node.keywords)]
    else:
        raise ValueError("no Genotype(...)")
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError("a field that stands twice")
    return given


def _configured(given: dict[str, ast.expr]) -> Genotype:
    """The genotype of a NAS-Bench-301 configuration, which numbers a cell's possible edges by node, then by source."""
    known = {field.rpartition(":")[2]: value for field, value in given.items()}
    numbers, cells = tuple(range(FIRST, FIRST + 4)), list[Nodes]()
    for kind in KINDS:
        nodes, before = list[tuple[Edge, ...]](), 0
        for number in numbers:
            read = "0_1" if number == FIRST else str(ast.literal_eval(known[f"inputs_node_{kind}_{number}"]))
            sources = [int(source) for source in read.split("_")]
            operators = [str(ast.literal_eval(known[f"edge_{kind}_{before + source}"])) for source in sources]
            nodes.append(tuple(map(Edge, operators, sources)))
            before += number
        cells.append(tuple(nodes))
    return Genotype(cells[0], numbers, cells[1], numbers)


def _nodes(kind: str, node: ast.expr) -> Nodes:
    items = list(ast.literal_eval(node))
    if all(isinstance(item, list | tuple) and all(isinstance(edge, list | tuple) for edge in item) for item in items):
        items = [(edge[0], number, *edge[1:]) for number, edges in enumerate(items, start=FIRST) for edge in edges]
    into: dict[int, list[Edge]] = {}
    for place, item in enumerate(items):
        match item:
            case (str(operator), int(source)):
                number = FIRST + place // 2
            case (str(operator), int(number), int(source)):
                pass
            case _:
                raise ValueError(f"{item!r} is no (operator, source) or (operator, node, source)")
        if not (FIRST <= number < FIRST + LONGEST and 0 <= source < number):
            raise ValueError(f"{kind} node {number} reads {source}")
        into.setdefault(number, []).append(Edge(operator, source))
    if not items or len({len(item) for item in items}) > 1 or (len(items[0]) == 2 and len(items) % 2):
        raise ValueError(f"{kind} of {len(items)} edges")
    nodes = tuple(tuple(into.get(number, ())) for number in range(FIRST, max(into) + 1))
    missing = [e.source for edges in nodes for e in edges if e.source >= FIRST and not nodes[e.source - FIRST]]
    if missing:
        raise ValueError(f"{kind} node {missing[0]} is read and has no edges")
    return nodes


def _existing(kind: str, nodes: Nodes, concat: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers in ``concat`` without those of nodes that have no edges."""
    found = tuple(number for number in concat if nodes[number - FIRST : number - FIRST + 1] != ((),))
    if not found or any(not FIRST <= number < FIRST + len(nodes) for number in found):
        raise ValueError(f"{kind}_concat of {list(concat)[:9]}")
    return found


def _numbers(node: ast.expr) -> tuple[int, ...]:
    """The numbers in ``range(2, 6)``, ``[2, 3, 4, 5]``, a tuple, or a list of a range."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
        (argument,) = node.args
        return _numbers(argument)
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
    pairs = all(len(edges) == 2 for edges in nodes)
    written = [
        f"({edge.operator!r}, {edge.source})" if pairs else f"({edge.operator!r}, {number}, {edge.source})"
        for number, edges in enumerate(nodes, start=FIRST)
        for edge in edges
    ]
    return f"[{', '.join(written)}]"


def _concat(numbers: Iterable[int]) -> str:
    numbers = list(numbers)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else False
    return f"range({numbers[0]}, {numbers[-1] + 1})" if whole else f"{numbers}"
