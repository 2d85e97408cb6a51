"""Keys of published scripts and other tools, with their counterparts in a pipeline."""

from __future__ import annotations

_EVALUATIONS = (
    "a budget is said in evaluations: population_size x (generations + 1), and population_size x generations for each "
    "iteration of adaptation after the first (population_size 30, generations 4, adaptation.iterations 1: 150)"
)
_FIDELITY = (
    "a table has one score of a task: import what was measured after other epochs as a task of its own, such as "
    "cifar10_epoch12"
)
_HALVING = (
    "no method stops trainings early: learn from a cheap task or fidelity as the source, and search with rea, gp or "
    "random"
)
_ALONE = "to search without principles, lapt study compare FILE --methods rea,random"

_KEYS = {
    **dict.fromkeys(
        (
            *("search.budget", "search.cycles", "search.epochs", "search.max_evaluations", "search.n_trials"),
            *("search.num_evals", "search.evaluations", "search.trials", "search.iterations"),
        ),
        _EVALUATIONS,
    ),
    **dict.fromkeys(
        ("search.time_budget", "search.max_time", "search.seconds", "search.max_wallclock_time", "search.timeout"),
        f"seconds end a run by --max-seconds; {_EVALUATIONS}",
    ),
    "search.pop_size": "did you mean population_size?",
    **dict.fromkeys(("epochs", "batch_size", "learning_rate", "lr"), "did you mean evaluator.recipe?"),
    **dict.fromkeys(("dataset", "datasets", "task", "tasks"), "say source.task and targets"),
    **dict.fromkeys(("search_space", "benchmark"), "say space, and evaluator.table where scores are looked up"),
    **dict.fromkeys(("optimizer", "tuner", "algorithm", "method"), "did you mean search.method?"),
    **dict.fromkeys(("out_dir", "output", "store"), "say it on the command line: --store, or LAPT_STORE"),
    **dict.fromkeys(("n_workers", "num_workers", "processes"), "say it on the command line: --processes"),
}
"""Unknown dotted key -> remedy."""

_KEYS_OF_KINDS = {
    ("rea", "sample_size"): "did you mean tournament_size?",
    ("rea", "parent_sample_size"): "did you mean tournament_size?",
    ("rea", "mutation_rate"): "did you mean mutation_probability?",
    ("table", "epochs"): _FIDELITY,
    ("table", "epoch"): _FIDELITY,
    ("table", "fidelity"): _FIDELITY,
    ("table", "hp"): _FIDELITY,
    ("training", "epochs"): "did you mean recipe: {epochs: ...}?",
    ("supernet", "epochs"): "did you mean recipe: {epochs: ...}?",
    ("surrogate", "epochs"): "did you mean epoch?",
    ("surrogate", "fidelity"): "did you mean epoch?",
}
"""(kind of evaluator or method, unknown key) -> remedy."""

_METHODS = {
    **dict.fromkeys(
        ("regularized_evolution", "regularised_evolution", "aging_evolution", "evolution", "re", "ea", "aea"),
        "did you mean rea?",
    ),
    **dict.fromkeys(("random_search", "rs"), "did you mean random?"),
    **dict.fromkeys(("bo", "bayesian", "bayesian_optimization", "gpbo", "gp_bo"), "did you mean gp?"),
    **dict.fromkeys(("hebo", "smac"), "hebo_like and gp are the Bayesian methods here"),
    **dict.fromkeys(("tpe", "tpesampler"), "did you mean optuna:TPESampler?"),
    **dict.fromkeys(("ls",), "did you mean local_search?"),
    **dict.fromkeys(("asha", "sh", "successive_halving", "hyperband", "bohb", "dehb", "mobster", "pasha"), _HALVING),
}
"""Method of another tool -> remedy."""

_VALUES = {
    ("source.task", "list"): "principles are learned from one task: run a pipeline for each source",
    ("source", "NoneType"): _ALONE,
    ("reasoner", "NoneType"): f"leave it out for patterns, the one without a key; {_ALONE}",
}
"""(key, type of a wrong value) -> remedy."""


def instead_of_key(key: str, kind: str) -> str | None:
    """The remedy for an unknown key. ``key``: dotted; ``kind``: of its section."""
    return _KEYS_OF_KINDS.get((kind, key.rpartition(".")[2])) or _KEYS.get(key)


def instead_of_method(method: str) -> str | None:
    return _METHODS.get(method.lower().replace("-", "_"))


def instead_of_value(key: str, value: object) -> str | None:
    return _VALUES.get((key, type(value).__name__))
