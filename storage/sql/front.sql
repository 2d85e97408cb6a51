-- The fronts of runs with two objectives: of LAPT and of each control, from the results in ``runs``. Trials alone do not
-- say it: the cost of an evaluation, such as a table's column, is not among their columns.
-- ordinal: the number of the evaluation in the search; run_id: as in trials, RUN-method for a control.
WITH ended AS (
    SELECT run_id, config, result FROM runs WHERE result IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY event <> 'stopped' DESC, created_at DESC) = 1
), targets AS (
    SELECT
        run_id, 'lapt-' || json_extract_string(config, '$.search.method') AS label,
        json_extract_string(config, '$.objectives[1]') AS quantity,
        unnest(json_extract(result, '$.targets[*]')) AS target
    FROM ended WHERE json_array_length(config, '$.objectives') = 2
), methods AS (
    SELECT run_id, quantity, label AS method, target AS found FROM targets
    UNION ALL
    SELECT run_id || '-' || method, quantity, method, control
    FROM (SELECT run_id, quantity, unnest(json_extract(target, '$.controls[*]')) AS control FROM targets),
        LATERAL (SELECT json_extract_string(control, '$.method') AS method)
), points AS (
    SELECT *, unnest(json_extract(found, '$.front[*]')) AS point FROM methods
)
SELECT
    run_id, json_extract_string(found, '$.task') AS task, method,
    json_extract_string(point, '$[0]') AS architecture,
    json_extract(point, '$[3]')::BIGINT AS ordinal,
    json_extract(point, '$[1]')::DOUBLE AS validation,
    json_extract(point, '$[2]')::DOUBLE AS cost,
    json_extract_string(found, '$.metric') AS metric, json_extract_string(found, '$.unit') AS unit,
    json_extract(found, '$.higher_is_better')::BOOLEAN AS higher_is_better, quantity
FROM points
ORDER BY run_id, task, cost
