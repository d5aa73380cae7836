-- name: RunStates :many
select id, state
from weir.runs
where id = any(@ids::uuid[]);
