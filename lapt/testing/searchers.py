"""Conformance suite of ``lapt.search.Searcher``: the rules for every search method, LAPT's or anyone's.

    from lapt.testing.searchers import check_searcher
    check_searcher(MyMethod)

A method that trains on images is checked without images:
``check_searcher(MyMethod, prior=Prior(strengths=invented_strengths))``.

Each ``check_...`` raises AssertionError with the fault; it needs no test framework. ``CHECKS`` lists them, for one test
per check. ``GROUNDS`` lists the spaces to check on: one that can be listed, DARTS, which cannot, and a declared space,
of which only the choices are known.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from lapt.evaluation import Evaluation, Metric
from lapt.search.searcher import Searcher
from lapt.spaces import BUILTIN, ENUMERABLE, Architecture, DeclaredSpace, Pool, SearchSpace, space_named
from lapt.spaces.declared import DeclaredLayer


class Ground(NamedTuple):
    """Test setting for a method: a space, and a restriction of it to 16 architectures of fewer functions."""

    space: SearchSpace
    small: SearchSpace

    def function_of(self, architecture: Architecture) -> str:
        """An identity that equivalent architectures share."""
        return self.space.encode(self.space.canonical(architecture))

    def scattered(self, n: int) -> list[Architecture]:
        """``n`` members of the space, always the same."""
        if self.space.size <= ENUMERABLE:
            return list(self.space.members())[:: self.space.size // n][:n]
        rng = np.random.default_rng(0)
        return [self.space.sample(rng) for _ in range(n)]


def _ground(space: SearchSpace, convolution: str, rest: str) -> Ground:
    """The small space: its first four layers choose between a convolution and none, and no layer chooses a source."""
    return Ground(
        space,
        space.restrict(
            operators={
                layer: ["none", convolution] if at < 4 else [rest] for at, layer in enumerate(space.layer_names)
            },
            sources={layer.name: layer.sources[:1] for layer in space.layers},
        ),
    )


TRANS101 = _ground(BUILTIN["trans101"], "nor_conv_3x3", "skip_connect")
"""4,096 cells."""
DARTS = _ground(BUILTIN["darts"], "sep_conv_3x3", "skip_connect")
"""9.1e18 architectures: nothing may list them."""
DECLARED = _ground(
    space_named(
        DeclaredSpace(
            name="declared",
            encoding="{a}+{b}/{b:source}+{c}+{d}+{e}",
            layers=tuple(
                DeclaredLayer(
                    name=name,
                    operators=("none", "skip_connect", "nor_conv_3x3"),
                    sources=("a", "input") if name == "b" else ("input",),
                )
                for name in "abcde"
            ),
        )
    ),
    "nor_conv_3x3",
    "skip_connect",
)
"""486 architectures."""
GROUNDS = {"trans101": TRANS101, "darts": DARTS, "declared": DECLARED}

Value = Callable[[Architecture], float | None]


class Make(Protocol):
    """A new searcher of the method that is checked."""

    def __call__(
        self, space: SearchSpace, *, seed: int, identity: Callable[[Architecture], str] | None = None
    ) -> Searcher: ...


def convolutions(architecture: Architecture) -> float:
    """A score: the number of 3x3 convolutions."""
    return float(sum(operator in ("nor_conv_3x3", "sep_conv_3x3") for operator in architecture.operators))


def told(
    architectures: Iterable[Architecture], value: Value = convolutions, *, higher_is_better: bool = True
) -> list[Evaluation]:
    """Evaluations of these architectures. A value of None is a failed one."""
    metric = Metric("number of convolutions", higher_is_better=higher_is_better)
    found = []
    for architecture in architectures:
        given = value(architecture)
        signed = given if given is None or higher_is_better else -given
        identity = " ".join([*architecture.operators, *architecture.sources])
        found.append(Evaluation(architecture, identity, signed, metric))
    return found


def run(
    searcher: Searcher, batches: Sequence[int], value: Value = convolutions, *, higher_is_better: bool = True
) -> list[Architecture]:
    """The architectures asked for, with every batch told before the next."""
    asked: list[Architecture] = []
    for n in batches:
        batch = searcher.ask(n)
        searcher.tell(told(batch, value, higher_is_better=higher_is_better))
        asked += batch
    return asked


def check_asks_lie_inside(make: Make, on: Ground = TRANS101) -> None:
    """Every architecture asked is a member of the space, also of a restricted one."""
    for space in (on.space, on.small):
        outside = [a for a in run(make(space, seed=1), [3, 1, 4, 1, 5]) if not space.contains(a)]
        assert not outside, f"asked for architectures outside the space: {_text(outside)}"


def check_any_batch_size(make: Make, on: Ground = TRANS101) -> None:
    """``ask(n)`` gives n if the space has as many unseen; ``ask(0)`` gives none."""
    searcher = make(on.space, seed=2)
    for n in (1, 0, 7, 1, 30, 2):
        asked = searcher.ask(n)
        assert len(asked) == n, f"ask({n}) gave {len(asked)} of a space of {on.space.size:,}"
        searcher.tell(told(asked))


def check_same_seed_same_asks(make: Make, on: Ground = TRANS101) -> None:
    """Seed, asks and tells alone decide the asks, whatever else draws random numbers. Another seed asks otherwise."""
    one, two, other = (run(make(on.space, seed=seed), [5, 5, 1, 1, 8]) for seed in (3, 3, 4))
    assert one == two, "the same seed asked differently: draw from self.rng alone"
    assert one != other, "another seed asked exactly the same: use the seed"


def check_no_repeats(make: Make, on: Ground = TRANS101) -> None:
    """Nothing is asked twice, by ``identity``, or after it was told."""
    for name, identity in (("the encoding", None), ("equal functions", on.function_of)):
        searcher = make(on.space, seed=5, identity=identity)
        asked = run(searcher, [8] * 6)
        known = [(identity or on.space.encode)(architecture) for architecture in asked]
        assert len(set(known)) == len(known), f"asked twice for the same architecture, by {name}"
    earlier = list(on.small.members())[:10]
    searcher = make(on.small, seed=5)
    searcher.tell(told(earlier))
    again = set(searcher.ask(on.small.size)) & set(earlier)
    assert not again, f"asked for what earlier evaluations had told: {_text(again)}"


def check_asks_before_tells(make: Make, on: Ground = TRANS101) -> None:
    """Asks need no tells between them, and evaluations may be told batch after batch, later."""
    searcher = make(on.space, seed=6)
    batches = [searcher.ask(n) for n in (6, 9, 1)]
    asked = [architecture for batch in batches for architecture in batch]
    assert len(set(asked)) == 16, f"three asks in a row gave {len(set(asked))} different architectures, not 16"
    for batch in reversed(batches):
        searcher.tell(told(batch))
    assert len(searcher.ask(5)) == 5, "no ask after tells that came late and in another order"


def check_failed_evaluations(make: Make, on: Ground = TRANS101) -> None:
    """The search goes on when some evaluations fail, when all do, and when whole batches do after others did not."""

    def half(architecture: Architecture) -> float | None:
        return None if architecture.operators[0] == "none" else convolutions(architecture)

    for what, value in (("some", half), ("all", lambda architecture: None)):
        asked = run(make(on.space, seed=7), [5] * 6, value)
        assert len(set(asked)) == 30, f"with {what} evaluations failed {len(set(asked))} of 30 asks came"
    searcher = make(on.space, seed=7)
    asked = run(searcher, [5] * 3)
    asked += run(searcher, [5] * 3, lambda architecture: None)
    assert len(set(asked)) == 30, f"with later batches failed {len(set(asked))} of 30 asks came"


def check_metric_directions(make: Make, on: Ground = TRANS101) -> None:
    """A metric to minimise is the same search as its negative to maximise: compare scores, not values."""
    up, down = (run(make(on.space, seed=8), [8] * 4, higher_is_better=higher) for higher in (True, False))
    assert up == down, "the negated metric, lower is better, was searched differently: use evaluation.score"


def check_exhaustion(make: Make, on: Ground = TRANS101) -> None:
    """A space smaller than the budget is asked for completely; then asks come back short, then empty."""
    searcher = make(on.small, seed=9)
    asked = run(searcher, [5, 5, 5, 5, 5])
    assert set(asked) == set(on.small.members()), f"{len(set(asked))} of {on.small.size} members were asked for"
    assert searcher.ask(3) == [], "an exhausted space still gives architectures"
    distinct = {on.function_of(member) for member in on.small.members()}
    asked = make(on.small, seed=9, identity=on.function_of).ask(on.small.size)
    assert len(asked) == len(distinct), f"{len(asked)} asked of {len(distinct)} different functions"
    single = on.small.restrict(operators={layer.name: layer.operators[-1:] for layer in on.small.layers})
    searcher = make(single, seed=9)
    searcher.tell(told(list(on.small.members())[:8]))
    assert run(searcher, [2, 2]) == list(single.members()), "a space of one cell was not asked for exactly once"


def check_pickling(make: Make, on: Ground = TRANS101) -> None:
    """A searcher that is pickled in mid-search, with asks pending, goes on as before."""
    searcher = make(on.space, seed=10)
    run(searcher, [6, 6])
    pending = searcher.ask(3)
    again = pickle.loads(pickle.dumps(searcher))
    for one in (searcher, again):
        one.tell(told(pending))
    assert run(searcher, [1, 4, 6]) == run(again, [1, 4, 6]), "the unpickled searcher went on differently"


def check_history_from_elsewhere(make: Make, on: Ground = TRANS101) -> None:
    """Told evaluations of earlier iterations, in another space, may lie outside this one, or have failed."""
    earlier = on.scattered(20)
    value: Value = lambda architecture: None if architecture == earlier[0] else convolutions(architecture)  # noqa: E731
    searcher = make(on.small, seed=11)
    searcher.tell(told(earlier, value))
    inside = set(on.small.members()) - set(earlier)
    assert set(run(searcher, [4] * 5)) == inside, "not every unseen member was asked for after such a history"
    asked = run(make(on.small, seed=12), [0, 3])
    searcher = make(on.small, seed=11)
    searcher.tell(told(earlier, lambda architecture: None))
    assert len(asked) == len(searcher.ask(3)) == 3, "no asks after a history of failures"


def check_corrections(make: Make, on: Ground = TRANS101) -> None:
    """Better scores take the place of earlier ones, also of some that failed; then the search goes on."""
    searcher = make(on.space, seed=15)
    asked = run(searcher, [5, 5])
    value: Value = lambda architecture: None if architecture == asked[0] else convolutions(architecture) + 1.0  # noqa: E731
    better = told(asked, value)
    more = searcher.ask(2)
    searcher.correct([*better, *told(more)])
    assert searcher.history == [*better, *told(more)], "self.history does not have the corrected evaluations"
    assert not searcher.pending, "what correct told is still pending"
    again = set(run(searcher, [4, 4])) & {*asked, *more}
    assert not again, f"asked again for {_text(again)} after corrections"


def check_pools(make: Make, on: Ground = TRANS101) -> None:
    """A searcher confined to some architectures of a space, of which some fail, asks for each of them and for no
    other."""
    pool = Pool.of(on.space, dict.fromkeys(on.scattered(40)))
    failing = set(pool.rows[::3])
    value: Value = lambda architecture: None if architecture in failing else convolutions(architecture)  # noqa: E731
    asked = run(make(pool, seed=13), [5] * (pool.size // 5 + 2), value)
    outside = [architecture for architecture in asked if not pool.contains(architecture)]
    assert not outside, f"asked for what is not in the pool: {_text(outside)}; draw, mutate and list by the space alone"
    assert len(set(asked)) == len(asked) == pool.size, f"{len(set(asked))} of {pool.size} members were asked for"


def check_what_is_not_there(make: Make, on: Ground = TRANS101) -> None:
    """Architectures outside of ``there``, which cannot be evaluated, are skipped; all others are asked for."""
    there = Pool.of(on.small, list(on.small.members())[::2])
    searcher = make(on.small, seed=14)
    searcher.there = there
    asked = run(searcher, [3] * 5)
    outside = [architecture for architecture in asked if not there.contains(architecture)]
    assert not outside, f"asked for what is not there: {_text(outside)}; choose by super()._unknown or _is_there"
    assert set(asked) == set(there.rows), f"{len(set(asked))} of {there.size} that are there were asked for"


class Check(Protocol):
    """Check of a method. Raises AssertionError with the fault."""

    __name__: str

    def __call__(self, make: Make, on: Ground = TRANS101) -> None: ...


CHECKS: tuple[Check, ...] = (
    check_asks_lie_inside,
    check_any_batch_size,
    check_same_seed_same_asks,
    check_no_repeats,
    check_asks_before_tells,
    check_failed_evaluations,
    check_metric_directions,
    check_exhaustion,
    check_pickling,
    check_history_from_elsewhere,
    check_corrections,
    check_pools,
    check_what_is_not_there,
)


def check_searcher(method: type[Searcher], **parameters: Any) -> None:
    """Run all checks of a search method, with these parameters of its own, on all grounds."""
    for on in GROUNDS.values():
        for check in CHECKS:
            check(partial(method, **parameters), on)


def _text(architectures: Iterable[Architecture]) -> list[str]:
    return [" ".join(architecture.operators) for architecture in architectures][:3]
