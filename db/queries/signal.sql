-- name: StepSignal :one
-- Ends a step that waits for a signal, or keeps the signal for one that will. The row is locked first: whoever has it wait
-- meanwhile finds the signal, or is found. What became of the signal: ended, kept, or refused. No row: there is no such step.
with told as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), held as materialized (
  select s.run_id, s.step, s.state, s.waiting_for, s.expects
  from told
  cross join weir.steps s
  where s.run_id = @run_id and s.key = @key
  for no key update of s
), open as materialized (
  select h.* from held h
  join weir.steps s on s.run_id = h.run_id and s.step = h.step
  join weir.runs r on r.id = h.run_id
  where s.cancel_requested_at is null and r.cancel_requested_at is null
), ended as (
  update weir.steps s set state = 'succeeded', cause = 'signal', waiting_for = null, finished_at = clock_timestamp(), has_output = @has_payload::boolean
  from open o
  where s.run_id = o.run_id and s.step = o.step and o.state = 'waiting' and o.waiting_for = 'signal'
  returning s.run_id, s.step, s.attempt
), output as (
  insert into weir.outputs (run_id, step, attempt, output)
  select e.run_id, e.step, e.attempt, @payload::jsonb from ended e where @has_payload::boolean
), kept as (
  insert into weir.signals (run_id, step, payload, sent_by)
  select o.run_id, o.step, case when @has_payload::boolean then @payload::jsonb end, @actor::text from open o where o.state = 'pending' and o.expects = 'signal'
  on conflict do nothing
  returning run_id
)
select (case when exists (select from ended) then 'ended' when exists (select from kept) then 'kept' else 'refused' end)::text as result
from held;
