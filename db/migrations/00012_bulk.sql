-- +goose Up
create table weir.bulks (
  id uuid not null,
  action text not null,
  state text not null default 'running',
  total int not null,
  done int not null default 0,
  failed int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  finished_at timestamptz,
  after_created_at timestamptz,
  after_id uuid,
  filter jsonb not null default '{}',
  reason text,
  error text,
  idempotency_key text,
  constraint bulks_pkey primary key (id),
  constraint bulk_action_is_known check (action in ('cancel', 'pause', 'resume', 'rerun')),
  constraint bulk_state_is_known check (state in ('running', 'done', 'cancelled', 'failed')),
  constraint bulk_finished_at_iff_final check ((finished_at is not null) = (state <> 'running')),
  constraint bulk_counts_are_not_negative check (total >= 0 and done >= 0 and failed >= 0),
  constraint bulk_place_is_whole check ((after_created_at is null) = (after_id is null)),
  constraint bulk_filter_is_an_object check (jsonb_typeof(filter) = 'object')
);
comment on table weir.bulks is 'Things done to many runs: to all that were there when somebody asked and match a filter. Any replica goes on with them, some runs a transaction, the newest first.';
comment on column weir.bulks.id is 'UUIDv7.';
comment on column weir.bulks.action is 'What is done to each run: cancel, pause, resume or rerun.';
comment on column weir.bulks.state is 'running, then done, cancelled (somebody asked: what had been done stays done) or failed (no run would have it).';
comment on column weir.bulks.total is 'How many runs matched when it was asked for.';
comment on column weir.bulks.done is 'To how many of them it was done. Those that needed it no more when their turn came are not counted.';
comment on column weir.bulks.failed is 'How many refused it; error says why the last of them did.';
comment on column weir.bulks.created_at is 'When it was asked for. Runs that were submitted later are left alone.';
comment on column weir.bulks.created_by is 'Who asked for it: an actor.';
comment on column weir.bulks.finished_at is 'When it ended; null: it goes on.';
comment on column weir.bulks.after_created_at is 'Where it is: created_at of the last run that it has dealt with.';
comment on column weir.bulks.after_id is 'Where it is: the id of that run.';
comment on column weir.bulks.filter is 'Which runs: {state, name, labels, created_after, created_before}; what is not there does not narrow.';
comment on column weir.bulks.reason is 'Why, for people.';
comment on column weir.bulks.error is 'Why the last run that refused did.';
comment on column weir.bulks.idempotency_key is 'The client''s Idempotency-Key: the same key of the same actor answers the same row.';
comment on constraint bulks_pkey on weir.bulks is 'Each has one row.';
comment on constraint bulk_action_is_known on weir.bulks is 'cancel, pause, resume or rerun.';
comment on constraint bulk_state_is_known on weir.bulks is 'running, done, cancelled or failed.';
comment on constraint bulk_finished_at_iff_final on weir.bulks is 'What has ended says when.';
comment on constraint bulk_counts_are_not_negative on weir.bulks is 'Counts only grow.';
comment on constraint bulk_place_is_whole on weir.bulks is 'A place in the list of runs is a time and an id.';
comment on constraint bulk_filter_is_an_object on weir.bulks is 'Members are filters by name.';
create index bulks_newest on weir.bulks (created_at desc, id desc);
comment on index weir.bulks_newest is 'Lists them, newest first.';
create index bulks_running on weir.bulks (created_at, id) where state = 'running';
comment on index weir.bulks_running is 'What is left to do: looked at every second.';
create unique index bulk_idempotency_key_is_used_once on weir.bulks (created_by, idempotency_key) where idempotency_key is not null;
comment on index weir.bulk_idempotency_key_is_used_once is 'The same Idempotency-Key of the same actor is the same operation.';

create index limits_of_plans on weir.limits (key) where left(key, 1) <> '~';
comment on index weir.limits_of_plans is 'Lists the limits that plans and people name; ours, of which there may be many more, are not in it.';
create index slots_held on weir.slots (concurrency_key, seq) where waiting_on is null and concurrency_key is not null;
comment on index weir.slots_held is 'Who holds a key: those who wait for it, however many, cost nothing.';

update weir.schema_info set version = 12, migrated_at = clock_timestamp();

-- +goose Down
drop index weir.slots_held, weir.limits_of_plans;
drop table weir.bulks;
update weir.schema_info set version = 11, migrated_at = clock_timestamp();
