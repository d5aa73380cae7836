-- name: StepsToBegin :many
-- Of these steps, those that wait for something from outside once their needs are met, and may: with what it takes to
-- find out for what. They are locked.
select
  s.run_id, s.step, s.key, s.kind, s.expects::text as expects, r.name as run_name, r.depth, r.labels, s.needs_total,
  coalesce((extract(epoch from s.timeout) * 1000)::bigint, 0)::bigint as timeout_ms, i."with", ri.input, coalesce(p.for_each, '')::text as for_each,
  s.parent, s.item, t.value as item_value, s.limited
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
join weir.runs r on r.id = s.run_id
left join weir.step_inputs i on i.run_id = s.run_id and i.step = coalesce(s.parent, s.step)
left join weir.run_inputs ri on ri.run_id = s.run_id
left join weir.policies p on p.run_id = s.run_id and p.step = s.step
left join weir.items t on s.parent is not null and t.run_id = s.run_id and t.parent = s.parent and t.item = s.item
where s.state::text = 'pending' and s.needs_open = 0 and s.expects is not null and s.cancel_requested_at is null
  and r.state::text = 'running' and r.admitted and r.cancel_requested_at is null and not (r.failing_at is not null and s.run_if = 'all_succeeded')
  and (not s.limited or exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is null))
order by s.run_id, s.step
limit @most
for no key update of s;

-- name: SlotsKeep :many
-- Of these steps, those that hold their slots, and keep them while this transaction goes on: the gate waits for it. Slots that
-- the gate looks at just now are left out, as by StepDispatch.
select a.run_id::uuid as run_id, a.step::int as step
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (
  select from weir.slots l where l.run_id = a.run_id and l.step = a.step and l.waiting_on is null for key share skip locked offset 0
) l;

-- name: StepWait :exec
-- Moves steps from pending to waiting. duration counts from now, until is a time.
update weir.steps s set
  state = 'waiting', waiting_for = s.expects, cause = 'needs_met',
  run_after = coalesce(nullif(a.until_at, '')::timestamptz, clock_timestamp() + nullif(a.duration_ms, 0) * interval '1 millisecond'),
  deadline_at = clock_timestamp() + nullif(a.timeout_ms, 0) * interval '1 millisecond'
from (
  select
    unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@durations_ms::bigint[]) as duration_ms, unnest(@untils::text[]) as until_at,
    unnest(@timeouts_ms::bigint[]) as timeout_ms
  from (select set_config('weir.actor', @actor::text, true)) a
) a
where s.run_id = a.run_id and s.step = a.step and s.state::text = 'pending';

-- name: SignalsKept :many
-- Signals that came before their step waited.
select g.run_id, g.step, g.payload
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.signals g on g.run_id = a.run_id and g.step = a.step;
