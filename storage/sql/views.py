"""SQL of the store's views. ``raw.<data set>`` holds the rows as they were appended."""

from __future__ import annotations

from storage.schemas import KEYS, SCHEMAS

_FIRST = {"scores": "(status = 'ok') DESC, "}
"""Order of rows with one key, before their time."""


def earliest(dataset: str, source: str) -> str:
    """The earliest row of each key in the source. Of two at the same microsecond it is always the same one, the
    lesser."""
    return f"""
        SELECT * FROM {source} one QUALIFY row_number() OVER (
            PARTITION BY {", ".join(KEYS[dataset])} ORDER BY {_FIRST.get(dataset, "")}created_at, one) = 1
    """


# Of a data set with a merged file, ``raw.<data set>_merged`` holds rows of which no two have one key and
# ``raw.<data set>_rest`` the others: few, as are the keys in both. Only these go through a window.


def everything(dataset: str) -> str:
    """The SQL of ``raw.<data set>`` in that case: its merged rows and the rest."""
    return f"{_all_of(dataset, 'merged')} UNION ALL {_all_of(dataset, 'rest')}"


def contested(dataset: str) -> str:
    """The keys that are both in the merged rows and in the rest."""
    key = ", ".join(KEYS[dataset])
    return f"SELECT {key} FROM raw.{dataset}_merged one SEMI JOIN raw.{dataset}_rest other ON {_same_key(dataset)}"


def counted(dataset: str, contested: bool) -> str:
    """The rows that count of the rest and, if ``contested``, of merged rows with a key in ``raw.<data
    set>_contested``."""
    rest = _all_of(dataset, "rest")
    if contested:
        rest += f" UNION ALL {_all_of(dataset, 'merged')} one SEMI JOIN {_contested(dataset)}"
    return earliest(dataset, f"({rest})")


def uncontested(dataset: str, contested: bool) -> str:
    """The SQL of the view, once ``raw.<data set>_counted`` has the rows of ``counted``."""
    merged = _all_of(dataset, "merged")
    if contested:
        merged += f" one ANTI JOIN {_contested(dataset)}"
    return f"{merged} UNION ALL {_all_of(dataset, 'counted')}"


def _all_of(dataset: str, part: str) -> str:
    return f"SELECT {', '.join(SCHEMAS[dataset].names)} FROM raw.{dataset}_{part}"


def _contested(dataset: str) -> str:
    return f"raw.{dataset}_contested other ON {_same_key(dataset)}"


def _same_key(dataset: str) -> str:
    return " AND ".join(f"one.{column} IS NOT DISTINCT FROM other.{column}" for column in KEYS[dataset])


VIEWS: dict[str, str] = {
    **{dataset: earliest(dataset, f"raw.{dataset}") for dataset in SCHEMAS},
    # score: value normalised to higher is better, null where the evaluation failed.
    "evaluations": """
        SELECT
            t.run_id, t.task, t.iteration, t.ordinal, t.architecture, t.identity,
            coalesce(t.space, s.space, u.space) AS space,
            t.value, coalesce(t.metric, s.metric) AS metric, coalesce(t.unit, s.unit) AS unit, t.higher_is_better,
            CASE WHEN t.value IS NULL OR t.status = 'failed' THEN NULL
                 WHEN t.higher_is_better THEN t.value ELSE -t.value END AS score,
            coalesce(t.status, s.status) AS status, coalesce(t.error, s.error) AS error,
            coalesce(t.parameters, s.parameters) AS parameters, coalesce(t.flops, s.flops) AS flops,
            coalesce(t.cost_seconds, s.cost_seconds) AS cost_seconds,
            t.origin, t.score_key, coalesce(s.fingerprint, t.fingerprint) AS fingerprint, s.seed, s.fidelity, s.device,
            t.subspace_id, t.principles_id, t.created_at
        FROM trials t
        LEFT JOIN scores s ON s.key = t.score_key
        LEFT JOIN (SELECT subspace_id, any_value(space) AS space FROM raw.subspaces GROUP BY subspace_id) u
            ON u.subspace_id = t.subspace_id
    """,
    # Only what was measured in one way is ranked together: metric, direction, evaluator (a table is one) and fidelity.
    # rank: 1 + the number of architectures strictly better. An architecture stands once, where it was first that good
    # (a million rows: a window over them takes twice as long, and half a gigabyte more).
    "leaderboard": """
        WITH ordered AS (
            SELECT *, struct_pack(worse := 0 - score, created_at, run_id, ordinal) AS place
            FROM evaluations WHERE score IS NOT NULL
        ), best AS (
            SELECT
                space, task, metric, higher_is_better, fingerprint, fidelity, architecture, min(place) AS first,
                arg_min(struct_pack(unit, parameters, flops, iteration, origin), place) AS found
            FROM ordered
            GROUP BY space, task, metric, higher_is_better, fingerprint, fidelity, architecture
        )
        SELECT
            space, task, rank() OVER (
                PARTITION BY space, task, metric, higher_is_better, fingerprint, fidelity ORDER BY first.worse) AS rank,
            architecture, CASE WHEN higher_is_better THEN 0 - first.worse ELSE first.worse END AS value, metric,
            found.unit AS unit, found.parameters AS parameters, found.flops AS flops, first.run_id AS run_id,
            found.iteration AS iteration, first.ordinal AS ordinal, found.origin AS origin, fingerprint, fidelity
        FROM best
        ORDER BY
            space, task, metric, higher_is_better, fingerprint, fidelity, rank, first.created_at, first.run_id,
            first.ordinal
    """,
    # The incumbent after each evaluation; null until one succeeds. Among equals the first stays. A new supernet begins
    # anew: what was found before is scored again in it.
    "anytime": """
        WITH marked AS (
            SELECT *, score IS NOT NULL AND score > coalesce(max(score) OVER (
                PARTITION BY run_id, task, fingerprint ORDER BY ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), '-infinity'::DOUBLE) AS improves
            FROM evaluations
        )
        SELECT
            run_id, task, ordinal, iteration, architecture, value, metric, higher_is_better, improves,
            last_value(CASE WHEN improves THEN value END IGNORE NULLS) OVER so_far AS incumbent_value,
            last_value(CASE WHEN improves THEN score END IGNORE NULLS) OVER so_far AS incumbent_score,
            last_value(CASE WHEN improves THEN architecture END IGNORE NULLS) OVER so_far AS incumbent_architecture,
            sum(cost_seconds) OVER whole AS cost_seconds
        FROM marked
        WINDOW
            so_far AS (PARTITION BY run_id, task, fingerprint ORDER BY ordinal ROWS UNBOUNDED PRECEDING),
            whole AS (PARTITION BY run_id, task ORDER BY ordinal ROWS UNBOUNDED PRECEDING)
        ORDER BY run_id, task, ordinal
    """,
    # evaluation -> refined space -> principles -> the principles they came from. Ids are content digests.
    # instead_of: the model that counting stood in for; prompt_hash: of the template that was put to a model.
    "lineage": """
        WITH sets AS (
            SELECT * FROM raw.principles
            QUALIFY row_number() OVER (PARTITION BY principles_id ORDER BY created_at) = 1
        ), refined AS (
            SELECT * FROM raw.subspaces
            QUALIFY row_number() OVER (PARTITION BY subspace_id ORDER BY created_at) = 1
        )
        SELECT
            e.run_id, e.task, e.iteration, e.ordinal, e.architecture, e.value, e.score,
            e.subspace_id, r.size, r.size_text,
            p.principles_id, p.version, p.step, p.reasoner, p.statements,
            json_extract_string(p.body, '$.origin.instead_of') AS instead_of,
            json_extract_string(p.body, '$.origin.prompt_hash') AS prompt_hash,
            p.parent, f.version AS parent_version, f.step AS parent_step, f.task AS parent_task,
            f.statements AS parent_statements
        FROM evaluations e
        LEFT JOIN refined r ON r.subspace_id = e.subspace_id
        LEFT JOIN sets p ON p.principles_id = coalesce(e.principles_id, r.principles_id)
        LEFT JOIN sets f ON f.principles_id = p.parent
        ORDER BY e.run_id, e.task, e.ordinal
    """,
    # Paid now: what the run itself computed. Total: what its evaluations cost whoever computed them. Trainings of
    # supernets stand beside both. User and team: of the first attempt that says; a control has those of its run.
    "costs": """
        WITH evaluated AS (
            SELECT
                run_id, task, count(*) AS evaluations,
                count(*) FILTER (origin = 'computed') AS computed,
                count(*) FILTER (origin = 'store') AS from_store,
                count(*) FILTER (origin = 'table') AS from_table,
                count(*) FILTER (origin = 'surrogate') AS from_surrogate,
                count(*) FILTER (score IS NULL) AS failed,
                coalesce(sum(cost_seconds) FILTER (origin = 'computed'), 0) AS seconds_paid_now,
                coalesce(sum(cost_seconds), 0) AS seconds_total
            FROM evaluations GROUP BY run_id, task
        ), shared AS (
            SELECT run_id, task, count(*) AS supernets, sum(cost_seconds) AS seconds_supernets
            FROM supernets GROUP BY run_id, task
        ), called AS (
            SELECT
                run_id, task, count(*) AS reasoner_calls,
                coalesce(sum(tokens_in), 0)::BIGINT AS tokens_in, coalesce(sum(tokens_out), 0)::BIGINT AS tokens_out,
                coalesce(sum(cost), 0) AS reasoner_cost
            FROM reasoner_calls GROUP BY run_id, task
        ), owned AS (
            SELECT run_id, arg_min("user", created_at) AS "user", arg_min(team, created_at) AS team
            FROM runs GROUP BY run_id
        )
        SELECT
            coalesce(e.run_id, c.run_id) AS run_id, coalesce(e.task, c.task) AS task, o."user", o.team,
            coalesce(evaluations, 0) AS evaluations, coalesce(computed, 0) AS computed,
            coalesce(from_store, 0) AS from_store, coalesce(from_table, 0) AS from_table,
            coalesce(from_surrogate, 0) AS from_surrogate,
            coalesce(failed, 0) AS failed,
            coalesce(seconds_paid_now, 0) AS seconds_paid_now, coalesce(seconds_total, 0) AS seconds_total,
            coalesce(supernets, 0) AS supernets, coalesce(seconds_supernets, 0) AS seconds_supernets,
            coalesce(reasoner_calls, 0) AS reasoner_calls, coalesce(tokens_in, 0) AS tokens_in,
            coalesce(tokens_out, 0) AS tokens_out, coalesce(reasoner_cost, 0) AS reasoner_cost
        FROM evaluated e FULL JOIN called c ON c.run_id = e.run_id AND c.task IS NOT DISTINCT FROM e.task
        LEFT JOIN shared s ON s.run_id = e.run_id AND s.task = e.task
        LEFT JOIN owned o ON o.run_id = regexp_replace(coalesce(e.run_id, c.run_id), '-[a-z_]+$', '')
        ORDER BY run_id, task
    """,
}
"""View -> query, in an order in which each view follows those that it reads."""

_EVALUATIONS = ("trials", "scores", "subspaces")

NEEDS: dict[str, tuple[str, ...]] = {
    **{
        name: (name,) for name in ("scores", "trials", "runs", "principles", "subspaces", "reasoner_calls", "supernets")
    },
    "studies": ("studies",),
    "study_jobs": ("study_jobs",),
    "evaluations": _EVALUATIONS,
    "leaderboard": _EVALUATIONS,
    "anytime": _EVALUATIONS,
    "lineage": (*_EVALUATIONS, "principles"),
    "costs": (*_EVALUATIONS, "reasoner_calls", "supernets", "runs"),
}
"""View -> the data sets that it reads."""
