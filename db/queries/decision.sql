-- name: StepDecision :one
-- Decides about a step that waits for an operator, and keeps the output, the rejection and the comment. Nothing is settled
-- here: the trigger writes the hint. No row: it waits for no such decision. It is not done to what is being cancelled.
with told as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), held as materialized (
  select s.run_id, s.step, s.waiting_for,
    case
      when s.waiting_for = 'approval' then case @decision::text when 'accept' then 'succeeded' when 'fail' then 'failed' end
      when @decision::text = 'retry' then 'retrying'
      when @decision::text = 'skip' then 'skipped'
      when @decision::text = 'accept' then 'succeeded'
      when @decision::text = 'fail' then case when s.last_outcome in ('crashed', 'timed_out', 'lost') then s.last_outcome::text else 'failed' end
    end::weir.step_state as to_state
  from told
  cross join weir.steps s
  join weir.runs r on r.id = s.run_id
  where s.run_id = @run_id and s.key = @key and s.state = 'waiting' and s.waiting_for in ('decision', 'approval')
    and s.cancel_requested_at is null and r.cancel_requested_at is null
  for no key update of s
), decided as (
  update weir.steps s set
    state = h.to_state, cause = h.waiting_for::weir.cause, waiting_for = null, has_output = h.to_state = 'succeeded' and @has_output::boolean,
    run_after = case when h.to_state = 'retrying' then clock_timestamp() end,
    finished_at = case when h.to_state <> 'retrying' then clock_timestamp() end
  from held h
  where s.run_id = h.run_id and s.step = h.step and h.to_state is not null
  returning s.run_id, s.step, s.attempt, s.state, s.has_output, h.waiting_for = 'approval' and s.state = 'failed' as rejected
), kept as (
  insert into weir.outputs (run_id, step, attempt, output, error_code, error_message, error_retryable, error_detail)
  select
    d.run_id, d.step, d.attempt, case when d.has_output then @output::jsonb end, case when d.rejected then 'rejected' end,
    case when d.rejected then coalesce(nullif(@comment::text, ''), 'it was not approved') end, case when d.rejected then false end,
    case when d.rejected then jsonb_build_object('by', @actor::text) end
  from decided d
  where d.has_output or d.rejected
  on conflict (run_id, step, attempt) do update set
    output = excluded.output, error_code = coalesce(excluded.error_code, weir.outputs.error_code),
    error_message = coalesce(excluded.error_message, weir.outputs.error_message), error_retryable = coalesce(excluded.error_retryable, weir.outputs.error_retryable),
    error_detail = coalesce(excluded.error_detail, weir.outputs.error_detail)
), said as (
  insert into weir.logs (run_id, step, attempt, seq, stream, level, text)
  select d.run_id, d.step, d.attempt, coalesce((select max(l.seq) from weir.logs l where l.run_id = d.run_id and l.step = d.step and l.attempt = d.attempt), 0) + 1, 'log', 'info',
    format('%s by %s: %s', @decision::text, @actor::text, @comment::text)
  from decided d
  where @comment::text <> ''
)
select state from decided;

-- name: StepNow :one
-- What a step is, who made it so, and what may become of it: for answers to whoever asked for something that its state
-- does not allow.
select
  s.state, s.attempt, s.waiting_for, s.expects, coalesce((select g.sent_by from weir.signals g where g.run_id = s.run_id and g.step = s.step), '')::text as signal_by,
  (s.cancel_requested_at is not null or r.cancel_requested_at is not null)::boolean as cancelling,
  array(select l.to_state from weir.legal_transitions l where l.entity = 'step' and l.from_state = s.state::text order by l.to_state)::text[] as allowed,
  coalesce(t.actor, r.created_by)::text as actor, coalesce(t.at, s.created_at)::timestamptz as at
from weir.steps s
join weir.runs r on r.id = s.run_id
left join lateral (
  select actor, at from weir.transitions t where t.run_id = s.run_id and t.step = s.step order by t.xid desc, t.id desc limit 1
) t on true
where s.run_id = @run_id and s.key = @key;
