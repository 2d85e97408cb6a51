"""What every search method must do, LAPT's and anyone's: the conformance suite of ``lapt.search.Searcher``.

    from lapt.testing.searchers import check_searcher
    check_searcher(MyMethod)

Each ``check_...`` raises AssertionError and says what is wrong; it needs no test framework. ``CHECKS`` lists them, for
one test a check.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from lapt.evaluation import Evaluation, Metric
from lapt.search.searcher import Searcher
from lapt.spaces import BUILTIN, Architecture, SearchSpace

SPACE = BUILTIN["trans101"]
"""4,096 cells."""
SMALL = SPACE.restrict(operators={name: ["none", "nor_conv_3x3"] for name in SPACE.layer_names[:4]}).restrict(
    operators={name: ["skip_connect"] for name in SPACE.layer_names[4:]}
)
"""16 cells that compute fewer functions."""

Value = Callable[[Architecture], float | None]


class Make(Protocol):
    """A new searcher of the method that is checked."""

    def __call__(
        self, space: SearchSpace, *, seed: int, identity: Callable[[Architecture], str] | None = None
    ) -> Searcher: ...


def convolutions(architecture: Architecture) -> float:
    """A score: how many 3x3 convolutions."""
    return float(architecture.operators.count("nor_conv_3x3"))


def function_of(architecture: Architecture) -> str:
    """An identity that equivalent cells share."""
    return SPACE.encode(SPACE.canonical(architecture))


def told(
    architectures: Iterable[Architecture], value: Value = convolutions, *, higher_is_better: bool = True
) -> list[Evaluation]:
    """Evaluations of these architectures; a value of None is a failed one."""
    metric = Metric("number of convolutions", higher_is_better=higher_is_better)
    found = []
    for architecture in architectures:
        given = value(architecture)
        signed = given if given is None or higher_is_better else -given
        found.append(Evaluation(architecture, " ".join(architecture.operators), signed, metric))
    return found


def run(
    searcher: Searcher, batches: Sequence[int], value: Value = convolutions, *, higher_is_better: bool = True
) -> list[Architecture]:
    """What was asked, every batch told before the next."""
    asked: list[Architecture] = []
    for n in batches:
        batch = searcher.ask(n)
        searcher.tell(told(batch, value, higher_is_better=higher_is_better))
        asked += batch
    return asked


def check_asks_lie_inside(make: Make) -> None:
    """Every architecture asked is a member of the space, also of a restricted one."""
    for space in (SPACE, SMALL):
        outside = [a for a in run(make(space, seed=1), [3, 1, 4, 1, 5]) if not space.contains(a)]
        assert not outside, f"asked for architectures outside the space: {_text(outside)}"


def check_any_batch_size(make: Make) -> None:
    """``ask(n)`` gives n where the space has as many unseen; ``ask(0)`` gives none."""
    searcher = make(SPACE, seed=2)
    for n in (1, 0, 7, 1, 30, 2):
        asked = searcher.ask(n)
        assert len(asked) == n, f"ask({n}) gave {len(asked)} of a space of {SPACE.size:,}"
        searcher.tell(told(asked))


def check_same_seed_same_asks(make: Make) -> None:
    """Seed, asks and tells decide what is asked, whatever else draws random numbers; another seed asks otherwise."""
    one, two, other = (run(make(SPACE, seed=seed), [5, 5, 1, 1, 8]) for seed in (3, 3, 4))
    assert one == two, "the same seed asked differently: draw from self.rng alone"
    assert one != other, "another seed asked exactly the same: use the seed"


def check_no_repeats(make: Make) -> None:
    """Nothing is asked twice, as ``identity`` judges, or after it was told."""
    for name, identity in (("the encoding", None), ("equal functions", function_of)):
        searcher = make(SPACE, seed=5, identity=identity)
        asked = run(searcher, [4] * 12)
        known = [(identity or SPACE.encode)(architecture) for architecture in asked]
        assert len(set(known)) == len(known), f"asked twice for the same architecture, by {name}"
    earlier = list(SMALL.members())[:10]
    searcher = make(SMALL, seed=5)
    searcher.tell(told(earlier))
    again = set(searcher.ask(SMALL.size)) & set(earlier)
    assert not again, f"asked for what earlier evaluations had told: {_text(again)}"


def check_asks_before_tells(make: Make) -> None:
    """Asks need no tells between them, and evaluations may be told batch after batch, later."""
    searcher = make(SPACE, seed=6)
    batches = [searcher.ask(n) for n in (6, 9, 1)]
    asked = [architecture for batch in batches for architecture in batch]
    assert len(set(asked)) == 16, f"three asks in a row gave {len(set(asked))} different architectures, not 16"
    for batch in reversed(batches):
        searcher.tell(told(batch))
    assert len(searcher.ask(5)) == 5, "no ask after tells that came late and in another order"


def check_failed_evaluations(make: Make) -> None:
    """The search goes on when some evaluations fail, and when all do."""

    def half(architecture: Architecture) -> float | None:
        return None if architecture.operators[0] == "none" else convolutions(architecture)

    for what, value in (("some", half), ("all", lambda architecture: None)):
        asked = run(make(SPACE, seed=7), [5] * 6, value)
        assert len(set(asked)) == 30, f"with {what} evaluations failed {len(set(asked))} of 30 asks came"


def check_metric_directions(make: Make) -> None:
    """A metric to minimise is the same search as its negative to maximise: compare scores, not values."""
    up, down = (run(make(SPACE, seed=8), [4] * 8, higher_is_better=higher) for higher in (True, False))
    assert up == down, "the negated metric, lower is better, was searched differently: use evaluation.score"


def check_exhaustion(make: Make) -> None:
    """A space smaller than the budget is asked for completely; then asks come back short, then empty."""
    searcher = make(SMALL, seed=9)
    asked = run(searcher, [5, 5, 5, 5, 5])
    assert set(asked) == set(SMALL.members()), f"{len(set(asked))} of {SMALL.size} members were asked for"
    assert searcher.ask(3) == [], "an exhausted space still gives architectures"
    distinct = {function_of(member) for member in SMALL.members()}
    asked = make(SMALL, seed=9, identity=function_of).ask(SMALL.size)
    assert len(asked) == len(distinct), f"{len(asked)} asked of {len(distinct)} different functions"
    single = SMALL.restrict(operators={name: ["nor_conv_3x3"] for name in SMALL.layer_names[:4]})
    searcher = make(single, seed=9)
    searcher.tell(told(list(SMALL.members())[:8]))
    assert run(searcher, [2, 2]) == list(single.members()), "a space of one cell was not asked for exactly once"


def check_pickling(make: Make) -> None:
    """A searcher pickled in mid-search, with asks pending, goes on as it would have."""
    searcher = make(SPACE, seed=10)
    run(searcher, [6, 6])
    pending = searcher.ask(3)
    again = pickle.loads(pickle.dumps(searcher))
    for one in (searcher, again):
        one.tell(told(pending))
    assert run(searcher, [1, 4, 6]) == run(again, [1, 4, 6]), "the unpickled searcher went on differently"


def check_history_from_elsewhere(make: Make) -> None:
    """Earlier iterations searched another space: what they told may lie outside this one, or have failed."""
    earlier = list(SPACE.members())[::200]
    value: Value = lambda architecture: None if architecture == earlier[0] else convolutions(architecture)  # noqa: E731
    searcher = make(SMALL, seed=11)
    searcher.tell(told(earlier, value))
    inside = set(SMALL.members()) - set(earlier)
    assert set(run(searcher, [4] * 5)) == inside, "not every unseen member was asked for after such a history"
    asked = run(make(SMALL, seed=12), [0, 3])
    searcher = make(SMALL, seed=11)
    searcher.tell(told(earlier, lambda architecture: None))
    assert len(asked) == len(searcher.ask(3)) == 3, "no asks after a history of failures"


CHECKS: tuple[Callable[[Make], None], ...] = (
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
)


def check_searcher(method: type[Searcher], **parameters: Any) -> None:
    """All checks of a search method with these parameters of its own."""
    for check in CHECKS:
        check(partial(method, **parameters))


def _text(architectures: Iterable[Architecture]) -> list[str]:
    return [SPACE.encode(architecture) for architecture in architectures][:3]
