-- +goose Up
-- Nobody searches for ids in JSON, and the two GIN indexes are almost half of what River writes. Its fetch walks over dead
-- index entries of taken jobs (for update skip locked), so they have to go soon.
-- River's own migrations have run before. Its tables stay River's: no trigger and no constraint of ours is ever put on them.
drop index if exists weir.river_job_args_index;
drop index if exists weir.river_job_metadata_index;
alter table weir.river_job set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
update weir.schema_info set version = 6, migrated_at = clock_timestamp();

-- +goose Down
alter table weir.river_job reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
create index if not exists river_job_args_index on weir.river_job using gin (args);
create index if not exists river_job_metadata_index on weir.river_job using gin (metadata);
update weir.schema_info set version = 5, migrated_at = clock_timestamp();
