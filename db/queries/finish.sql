-- name: ShardsLock :one
-- Locks what can be locked of these shards until the transaction ends. Answers what it got.
select coalesce(array_agg(shard), '{}')::int[] as shards
from (select unnest(@shards::int[]) as shard) s
where pg_try_advisory_xact_lock(2003134834, shard);

-- name: StepFinish :many
-- Records how attempts ended, where they are still current, and decides what becomes of their steps. Those that nobody
-- has to be told of, or whose shard this transaction holds, are settled at once. A row that somebody else has locked
-- is left out rather than waited for. Rows are found by their key: the casts keep the planner from the small partial
-- index of what is running, of which it would read all for each.
with asked as materialized (
  select
    unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt, unnest(@reports::uuid[]) as report,
    unnest(@outcomes::text[]) as outcome, unnest(@causes::text[])::weir.cause as cause, unnest(@retryables::boolean[]) as retryable,
    unnest(@retry_afters_ms::bigint[]) as retry_after_ms, unnest(@outputs::jsonb[]) as output, unnest(@has_outputs::boolean[]) as has_output,
    unnest(@output_errors::jsonb[]) as output_error, unnest(@error_codes::text[]) as error_code, unnest(@error_messages::text[]) as error_message,
    unnest(@error_details::jsonb[]) as error_detail
  from (select set_config('weir.actor', '@worker', true)) a
), held as materialized (
  select
    a.*, s.failures, s.max_attempts, s.retry, s.allow_failure, s.dependants, s.parent, r.on_failure,
    case
      when r.cancel_requested_at is not null then coalesce(r.cancel_cause, 'cancel_requested')
      when s.cancel_requested_at is not null then coalesce(s.cancel_cause, 'cancel_requested')
      when r.failing_at is not null and s.run_if = 'all_succeeded' then 'failure_policy'
    end as cancel_cause
  from (select * from asked order by run_id, step) a
  cross join lateral (
    select s.failures, s.max_attempts, s.retry, s.allow_failure, s.dependants, s.parent, s.run_if, s.cancel_requested_at, s.cancel_cause
    from weir.steps s
    where s.run_id = a.run_id and s.step = a.step and s.state::text = 'running' and s.attempt = a.attempt and s.worker_id = @worker::uuid
    for no key update skip locked
    offset 0
  ) s
  join weir.runs r on r.id = a.run_id
), judged as materialized (
  select
    h.*, sum(h.dependants) over (order by h.run_id, h.step) <= 1000 as fits,
    case
      when h.outcome = 'succeeded' then 'succeeded'
      when h.cancel_cause = 'run_timeout' then 'timed_out'
      when h.cancel_cause is not null or h.outcome = 'cancelled' then 'cancelled'
      when h.outcome = 'handed_back' then 'retrying'
      when h.retryable and h.failures + 1 < h.max_attempts and weir.retry_wants(h.retry, h.outcome::weir.step_state, h.cause = 'abandoned') then 'retrying'
      when h.on_failure = 'pause' and not h.allow_failure then 'waiting'
      else h.outcome
    end::weir.step_state as to_state,
    h.outcome not in ('succeeded', 'cancelled', 'handed_back') and h.cancel_cause is null as counts
  from held h
), done as (
  update weir.steps s set
    state = j.to_state,
    cause = case
      when j.to_state = 'succeeded' then j.cause::text
      when j.to_state = 'cancelled' then case when j.cause = 'abandoned' then 'abandoned' else coalesce(j.cancel_cause::text, 'cancel_requested') end
      when j.to_state = 'timed_out' and j.cancel_cause = 'run_timeout' then 'run_timeout'
      when j.to_state = 'retrying' then case when j.counts then 'attempts_left' else 'handed_back' end
      when j.outcome = 'failed' and not j.retryable then 'permanent'
      when j.max_attempts > 1 and j.failures + 1 >= j.max_attempts then 'attempts_spent'
      else j.cause::text
    end::weir.cause,
    failures = s.failures + j.counts::int,
    last_outcome = case when j.outcome = 'handed_back' then s.last_outcome else j.outcome::weir.step_state end,
    report = j.report,
    river_job_id = null,
    has_output = j.to_state = 'succeeded' and j.has_output,
    run_after = case
      when j.to_state = 'retrying' and j.counts then clock_timestamp() + weir.retry_wait(j.retry, j.failures + 1, j.retry_after_ms * interval '1 millisecond')
      when j.to_state = 'retrying' then clock_timestamp()
    end,
    waiting_for = case when j.to_state = 'waiting' then 'decision' end,
    finished_at = case when j.to_state not in ('retrying', 'waiting') then clock_timestamp() end,
    settled = j.to_state not in ('retrying', 'waiting') and (j.dependants = 0 and j.parent is null or j.fits and weir.shard_of(s.run_id) = any(@shards::int[])) and @settle::boolean
  from judged j
  where s.run_id = j.run_id and s.step = j.step and s.attempt = j.attempt
  returning
    s.run_id, s.step, s.attempt, s.state, s.settled, s.allow_failure, s.dependants, s.parent, s.limited, s.run_after, s.finished_at,
    j.has_output and s.state = 'succeeded' as keeps, j.output, j.output_error, j.error_code, j.error_message, j.retryable, j.error_detail
), kept as (
  insert into weir.outputs (run_id, step, attempt, output, output_error, error_code, error_message, error_retryable, error_detail)
  select
    run_id, step, attempt, case when keeps then output end, nullif(output_error, 'null'), nullif(error_code, ''),
    case when error_code <> '' then error_message end, case when error_code <> '' then retryable end,
    case when error_code <> '' then nullif(error_detail, 'null') end
  from done
  where keeps or output_error <> 'null' or error_code <> ''
), stopped as (
  delete from weir.stops t using done d where @stops::boolean and t.run_id = d.run_id and t.step = d.step and t.attempt = d.attempt
)
select run_id, step, attempt, state, settled, allow_failure, dependants, parent, limited, run_after, finished_at, clock_timestamp()::timestamptz as now from done;

-- name: LateReportAdd :exec
-- Keeps evidence of a report that changed nothing, at most ten of a step. What is small as text can be large as jsonb.
insert into weir.late_reports (run_id, step, attempt, worker_id, report, outcome, result, state_was, payload)
select @run_id, @step, @attempt, @worker_id, @report, @outcome, @result, @state_was, case when pg_column_size(@payload::jsonb) <= 65536 then @payload::jsonb else '{"note": "the report was too large to keep"}' end
where (select count(*) from weir.late_reports l where l.run_id = @run_id and l.step = @step) < 10
  and not exists (select from weir.late_reports l where l.run_id = @run_id and l.step = @step and l.report = @report);
