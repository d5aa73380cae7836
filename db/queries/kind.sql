-- name: KindList :many
select kind, input_schema, output_schema from weir.kinds order by kind;
