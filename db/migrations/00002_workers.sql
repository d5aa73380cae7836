-- +goose Up
create table weir.workers (
  id uuid not null,
  name text not null,
  type text not null default 'replica',
  host text not null default '',
  pid int,
  build text not null default '',
  schema_version int,
  kinds text[] not null default '{}',
  queues jsonb not null default '{}',
  db_user text not null default session_user,
  notify text not null default 'poll',
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null,
  gone_at timestamptz,
  constraint workers_pkey primary key (id),
  constraint worker_type_is_known check (type in ('replica', 'remote')),
  constraint worker_notify_is_known check (notify in ('listen', 'poll'))
);
comment on table weir.workers is 'Who executes attempts. A worker is believed alive until lease_until; its heartbeat moves that. One lease per worker, not per step.';
comment on column weir.workers.id is 'New with every process. Also the id of its River client.';
comment on column weir.workers.name is 'For people.';
comment on column weir.workers.type is 'replica: through River. remote: over HTTP.';
comment on column weir.workers.host is 'Where it runs.';
comment on column weir.workers.pid is 'Its process there.';
comment on column weir.workers.build is 'What it was built from.';
comment on column weir.workers.schema_version is 'The schema version that its binary embeds.';
comment on column weir.workers.kinds is 'The kinds of steps that it can run.';
comment on column weir.workers.queues is 'The queues that it works, with its slots in each.';
comment on column weir.workers.db_user is 'The database user of its session.';
comment on column weir.workers.notify is 'Whether NOTIFY reaches it (listen) or it only polls.';
comment on column weir.workers.started_at is 'When it registered.';
comment on column weir.workers.seen_at is 'Its last sign of life.';
comment on column weir.workers.lease_until is 'Until when it is believed alive.';
comment on column weir.workers.gone_at is 'When it left, or when its lease was found to have run out; null again when it comes back.';
comment on constraint workers_pkey on weir.workers is 'A process is one worker.';
comment on constraint worker_type_is_known on weir.workers is 'replica or remote.';
comment on constraint worker_notify_is_known on weir.workers is 'listen or poll.';
create index workers_alive on weir.workers (lease_until) where gone_at is null;
comment on index weir.workers_alive is 'Whose lease runs out next.';

create table weir.stops (
  run_id uuid not null,
  step int not null,
  attempt int not null,
  worker_id uuid not null,
  cause weir.cause not null,
  at timestamptz not null default clock_timestamp(),
  give_up_at timestamptz not null,
  grace interval not null,
  constraint stops_pkey primary key (run_id, step, attempt)
);
comment on table weir.stops is 'Running attempts that their worker is asked to end. It is notified (weir_stop) and reads this every second; what it then reports is true and wins. A row goes when the attempt has ended.';
comment on column weir.stops.run_id is 'Which run: weir.runs.id.';
comment on column weir.stops.step is 'The step''s ordinal.';
comment on column weir.stops.attempt is 'The attempt to end; a later one is not meant.';
comment on column weir.stops.worker_id is 'Who is to end it.';
comment on column weir.stops.cause is 'Why.';
comment on column weir.stops.at is 'When it was asked for.';
comment on column weir.stops.give_up_at is 'When the database stops waiting for the worker''s word and cancels the step as unconfirmed.';
comment on column weir.stops.grace is 'How long the attempt may take to end.';
comment on constraint stops_pkey on weir.stops is 'An attempt is stopped once.';
create index stops_of_worker on weir.stops (worker_id);
comment on index weir.stops_of_worker is 'What a worker is to end.';

create table weir.pulse (
  one boolean not null default true,
  beat_at timestamptz not null default clock_timestamp(),
  steady_since timestamptz not null default clock_timestamp(),
  swept_at timestamptz not null default clock_timestamp(),
  constraint pulse_pkey primary key (one),
  constraint pulse_has_one_row check (one)
);
comment on table weir.pulse is 'One row, written every second by whoever reconciles. After a gap nobody is declared lost before the database has been there for a whole lease: an outage kills nobody.';
comment on column weir.pulse.one is 'Always true: there is one row.';
comment on column weir.pulse.beat_at is 'The last beat.';
comment on column weir.pulse.steady_since is 'Since when beats have come without a gap of more than 3 seconds and without the clock going back.';
comment on column weir.pulse.swept_at is 'When the last full sweep ran.';
comment on constraint pulse_pkey on weir.pulse is 'One row at the most.';
comment on constraint pulse_has_one_row on weir.pulse is 'The key can only be true, so there is at most one row.';
insert into weir.pulse default values;

create table weir.late_reports (
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  run_id uuid not null,
  step int not null,
  attempt int not null,
  worker_id uuid,
  report uuid not null,
  outcome text not null,
  result text not null,
  state_was weir.step_state,
  payload jsonb,
  constraint late_reports_pkey primary key (id),
  constraint late_report_is_at_most_64_kb check (pg_column_size(payload) <= 65536)
);
comment on table weir.late_reports is 'Evidence: reports for attempts that had ended before. They change nothing; at most 10 per step are kept, 64 kB each.';
comment on column weir.late_reports.id is 'Order of arrival, roughly.';
comment on column weir.late_reports.at is 'When it arrived.';
comment on column weir.late_reports.run_id is 'The run that it names.';
comment on column weir.late_reports.step is 'The step''s ordinal.';
comment on column weir.late_reports.attempt is 'The attempt that it is about.';
comment on column weir.late_reports.worker_id is 'Who sent it.';
comment on column weir.late_reports.report is 'The sender''s id of the report.';
comment on column weir.late_reports.outcome is 'What it claims.';
comment on column weir.late_reports.result is 'What was answered: too_late, superseded or cancelled.';
comment on column weir.late_reports.state_was is 'What the step was when it arrived.';
comment on column weir.late_reports.payload is 'What came with it; cut when it was too large.';
comment on constraint late_reports_pkey on weir.late_reports is 'Each arrival is a row.';
comment on constraint late_report_is_at_most_64_kb on weir.late_reports is 'Evidence is bounded.';
create index late_reports_of_step on weir.late_reports (run_id, step);
comment on index weir.late_reports_of_step is 'Counts what is kept of a step, and shows it.';

create table weir.quarantine (
  run_id uuid not null,
  error text not null,
  sqlstate text not null default '',
  tries int not null default 1,
  at timestamptz not null default clock_timestamp(),
  retry_at timestamptz not null default clock_timestamp() + interval '10 seconds',
  constraint quarantine_pkey primary key (run_id)
);
comment on table weir.quarantine is 'Runs that reconcile failed on: set aside so that they stop nobody else, tried again at retry_at, and removed when that works.';
comment on column weir.quarantine.run_id is 'Which run: weir.runs.id.';
comment on column weir.quarantine.error is 'What went wrong, the last time.';
comment on column weir.quarantine.sqlstate is 'Its SQLSTATE, if the database said so.';
comment on column weir.quarantine.tries is 'How often it went wrong.';
comment on column weir.quarantine.at is 'When it first went wrong.';
comment on column weir.quarantine.retry_at is 'When it is tried again.';
comment on constraint quarantine_pkey on weir.quarantine is 'A run is set aside once.';

create table weir.logs (
  run_id uuid not null,
  step int not null,
  attempt int not null,
  seq bigint not null,
  at timestamptz not null default clock_timestamp(),
  stream text not null,
  level text not null default '',
  text text not null,
  truncated boolean not null default false,
  constraint logs_pkey primary key (run_id, step, attempt, seq),
  constraint log_stream_is_known check (stream in ('stdout', 'stderr', 'log'))
);
comment on table weir.logs is 'What attempts wrote: standard output and error of commands, and the log of handlers. Sending a line twice stores it once.';
comment on column weir.logs.run_id is 'Which run: weir.runs.id.';
comment on column weir.logs.step is 'The step''s ordinal.';
comment on column weir.logs.attempt is 'The attempt that wrote it.';
comment on column weir.logs.seq is 'Its place in the log of the attempt, from 1.';
comment on column weir.logs.at is 'When it was written, by the clock of the worker.';
comment on column weir.logs.stream is 'stdout, stderr, or log (of a handler).';
comment on column weir.logs.level is 'debug, info, warn or error; empty for stdout and stderr.';
comment on column weir.logs.text is 'The line, without its newline.';
comment on column weir.logs.truncated is 'True where something was cut: the rest of the line, or of the log.';
comment on constraint logs_pkey on weir.logs is 'A line of an attempt is stored once.';
comment on constraint log_stream_is_known on weir.logs is 'stdout, stderr or log.';

create table weir.progress (
  run_id uuid not null,
  step int not null,
  attempt int not null,
  percent real,
  message text not null default '',
  at timestamptz not null default clock_timestamp(),
  constraint progress_pkey primary key (run_id, step),
  constraint progress_percent_in_range check (percent between 0 and 100)
) with (fillfactor = 70);
comment on table weir.progress is 'How far running steps say they are: the last word of each.';
comment on column weir.progress.run_id is 'Which run: weir.runs.id.';
comment on column weir.progress.step is 'The step''s ordinal.';
comment on column weir.progress.attempt is 'The attempt that said it.';
comment on column weir.progress.percent is '0 to 100; null: unknown.';
comment on column weir.progress.message is 'What it is doing.';
comment on column weir.progress.at is 'When it said so.';
comment on constraint progress_pkey on weir.progress is 'Only the last word is kept.';
comment on constraint progress_percent_in_range on weir.progress is '0 to 100.';

create table weir.heard (
  run_id uuid not null,
  step int not null,
  attempt int not null,
  at timestamptz not null default clock_timestamp(),
  constraint heard_pkey primary key (run_id, step)
) with (fillfactor = 70);
comment on table weir.heard is 'The last sign of life (a log line, a word of progress) of steps that have a stall_after, by the clock of this database. Others have no row.';
comment on column weir.heard.run_id is 'Which run: weir.runs.id.';
comment on column weir.heard.step is 'The step''s ordinal.';
comment on column weir.heard.attempt is 'The attempt that gave it.';
comment on column weir.heard.at is 'When it arrived. infinity: lines are missing from the log of the attempt, so that silence says nothing; only its worker can tell whether it has stalled.';
comment on constraint heard_pkey on weir.heard is 'Only the last sign is kept.';

create table weir.kinds (
  kind text not null,
  input_schema jsonb,
  output_schema jsonb,
  registered_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  build text not null default '',
  constraint kinds_pkey primary key (kind),
  constraint kind_is_well_formed check (kind ~ '^[a-z0-9][a-z0-9._-]{0,62}$')
);
comment on table weir.kinds is 'Every kind of step that a worker ever registered, with its schemas. A plan that names another one is refused.';
comment on column weir.kinds.kind is 'Its name.';
comment on column weir.kinds.input_schema is 'JSON Schema of `with`; null: anything.';
comment on column weir.kinds.output_schema is 'JSON Schema of the output; null: anything.';
comment on column weir.kinds.registered_at is 'When it was first registered.';
comment on column weir.kinds.seen_at is 'When a worker registered it last.';
comment on column weir.kinds.build is 'The build that registered it last.';
comment on constraint kinds_pkey on weir.kinds is 'A kind has one definition: that of the last worker that registered it.';
comment on constraint kind_is_well_formed on weir.kinds is 'Kinds are lower case letters, digits and . _ -, at most 63.';

update weir.schema_info set version = 2, min_binary = 2, migrated_at = clock_timestamp();

-- +goose Down
drop table weir.kinds, weir.heard, weir.progress, weir.logs, weir.quarantine, weir.late_reports, weir.pulse, weir.stops, weir.workers;
update weir.schema_info set version = 1, min_binary = 1, migrated_at = clock_timestamp();
