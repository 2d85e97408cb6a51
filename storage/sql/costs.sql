-- Paid now: what the run itself computed. Total: what its evaluations cost whoever computed them. Trainings of
-- supernets stand beside both. User and team: of the first attempt that says; a control has those of its run.
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
