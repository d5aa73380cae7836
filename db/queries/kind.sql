-- name: KindList :many
select kind, input_schema, output_schema from weir.kinds order by kind;

-- name: KindsRegister :exec
-- The last one that registers a kind defines it. build is the worker's.
insert into weir.kinds (kind, input_schema, output_schema, build)
select k.kind, nullif(k.input_schema, '')::jsonb, nullif(k.output_schema, '')::jsonb, coalesce((select w.build from weir.workers w where w.id = @worker::uuid), '')
from (select unnest(@kinds::text[]) as kind, unnest(@input_schemas::text[]) as input_schema, unnest(@output_schemas::text[]) as output_schema) k
order by k.kind
on conflict (kind) do update
set input_schema = excluded.input_schema, output_schema = excluded.output_schema, build = excluded.build, seen_at = excluded.seen_at;
