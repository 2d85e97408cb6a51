-- Only what was measured in one way is ranked together: metric, direction, evaluator (a table is one) and fidelity.
-- rank: 1 + the number of architectures strictly better. An architecture stands once, where it was first that good
-- (a million rows: a window over them takes twice as long, and half a gigabyte more).
WITH ordered AS (
    SELECT *, struct_pack(worse := 0 - score, created_at, run_id, ordinal) AS place
    FROM evaluations WHERE score IS NOT NULL
), best AS (
    SELECT
        space, task, metric, higher_is_better, fingerprint, fidelity, architecture, min(place) AS first,
        arg_min(struct_pack(unit, parameters, flops, iteration, origin, epochs), place) AS found
    FROM ordered
    GROUP BY space, task, metric, higher_is_better, fingerprint, fidelity, architecture
)
SELECT
    space, task, rank() OVER (
        PARTITION BY space, task, metric, higher_is_better, fingerprint, fidelity ORDER BY first.worse) AS rank,
    architecture, CASE WHEN higher_is_better THEN 0 - first.worse ELSE first.worse END AS value, metric,
    found.unit AS unit, found.parameters AS parameters, found.flops AS flops, first.run_id AS run_id,
    found.iteration AS iteration, first.ordinal AS ordinal, found.origin AS origin, fingerprint, fidelity,
    found.epochs AS epochs
FROM best
ORDER BY
    space, task, metric, higher_is_better, fingerprint, fidelity, rank, first.created_at, first.run_id,
    first.ordinal
