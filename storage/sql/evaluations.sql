-- score: value normalised to higher is better, null where the evaluation failed.
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
    t.subspace_id, t.principles_id, t.created_at, t.epochs
FROM trials t
LEFT JOIN scores s ON s.key = t.score_key
LEFT JOIN (SELECT subspace_id, any_value(space) AS space FROM raw.subspaces GROUP BY subspace_id) u
    ON u.subspace_id = t.subspace_id
