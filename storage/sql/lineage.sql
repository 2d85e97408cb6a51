-- evaluation -> refined space -> principles -> the principles they came from. Ids are content digests.
-- instead_of: the model that counting stood in for; prompt_hash: of the template that was put to a model.
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
