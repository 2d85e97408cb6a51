-- The incumbent after each evaluation; null until one succeeds. Among equals the first stays. A new supernet begins
-- anew: what was found before is scored again in it.
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
