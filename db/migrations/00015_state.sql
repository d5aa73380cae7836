-- +goose Up
create index steps_held on weir.steps (state, coalesce(claimed_at, created_at)) where state in ('retrying', 'waiting');
comment on index weir.steps_held is 'What is to be tried again or waits, the oldest first: for the picture of everything that is going on.';

update weir.schema_info set version = 15, migrated_at = clock_timestamp();

-- +goose Down
drop index weir.steps_held;
update weir.schema_info set version = 14, migrated_at = clock_timestamp();
