-- name: StepWhy :one
select
  s.step, s.key, s.kind, s.queue, s.state, s.cause, s.attempt, s.failures, s.max_attempts, s.last_outcome, s.waiting_for, s.worker_id,
  s.started_at, s.deadline_at, s.finished_at, s.run_after, s.needs_open, s.settled,
  s.expects, s.parent, r.state as run_state, r.start_at, r.admitted, r.key as run_key,
  coalesce(l.waiting_on, '')::text as line, coalesce(l.priority, 0)::smallint as line_priority, coalesce(l.seq, 0)::bigint as line_seq, coalesce(l.step, 0)::int as line_step,
  coalesce(s.cancel_requested_at, r.cancel_requested_at) as cancel_requested_at,
  coalesce(s.cancel_requested_by, r.cancel_requested_by, '')::text as cancel_requested_by,
  coalesce(s.run_after > clock_timestamp(), false)::bool as backs_off,
  coalesce(r.start_at > clock_timestamp(), false)::bool as starts_later,
  (select q.paused_at from weir.river_queue q where q.name = s.queue) as queue_paused_at
from weir.steps s
join weir.runs r on r.id = s.run_id
left join weir.slots l on l.run_id = s.run_id and l.step = case when r.admitted then s.step else 0 end and l.waiting_on is not null
where s.run_id = @run and s.key = @key;

-- name: StepWhyNeeds :many
-- limit 1: each need is looked up by its key, however many steps the planner thinks a run has.
select n.key, n.state, n.cause
from weir.needs e
cross join lateral (
  select s.key, s.state, s.cause, s.allow_failure, s.settled from weir.steps s where s.run_id = e.run_id and s.step = e.need limit 1
) n
where e.run_id = @run and e.step = @step
  and case when @failed::bool
    then n.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled', 'skipped') and not n.allow_failure
    else not n.settled end
order by e.need
limit @max;

-- name: StepWhyWorkers :many
select w.id, coalesce((w.queues ->> @queue::text)::int, 0)::int as slots,
  (select count(*) from weir.steps s where s.state = 'running' and s.worker_id = w.id and s.queue = @queue::text) as busy,
  (@kind::text = any(w.kinds))::bool as knows_kind
from weir.workers w
where w.gone_at is null and w.lease_until > clock_timestamp() and jsonb_exists(w.queues, @queue::text);

-- name: LinePlace :one
-- How many stand before this place in a line, counted up to 1,000.
select count(*)::int from (
  select from weir.slots l where l.waiting_on = @line::text and (l.priority, l.seq) < (@priority::smallint, @seq::bigint) order by l.priority, l.seq limit 1000
) b;

-- name: SlotsOfRun :many
-- Steps of a run that hold a slot of a key of ours.
select s.key, s.state
from weir.slots l
join weir.steps s on s.run_id = l.run_id and s.step = l.step
where l.run_id = @run and l.waiting_on is null and l.holds @> array[@key::text]
order by l.seq
limit @max;

-- name: RateView :one
-- A bucket, and when the next token is in it.
select
  t.rate_limit, (extract(epoch from t.rate_per) * 1000)::bigint as per_ms,
  greatest(t.refilled_at + greatest(1 - t.tokens, 0) * t.rate_per / t.rate_limit, clock_timestamp())::timestamptz as refills_at
from weir.rates t
where t.key = @key;

-- name: RunLive :one
-- The live run of a key.
select r.id, r.state, r.cancel_requested_at from weir.runs r where r.key = @key::text and r.admitted and r.finished_at is null;

-- name: ChildrenOpen :many
-- Children of a fan-out that have not ended.
select s.key, s.state, s.cause
from weir.items i
cross join lateral (select s.key, s.state, s.cause, s.settled from weir.steps s where s.run_id = i.run_id and s.step = i.step limit 1) s
where i.run_id = @run and i.parent = @parent and not s.settled
order by i.item
limit @max;

-- name: FamilyView :one
select total, expanded, ended from weir.families where run_id = @run and step = @step;

-- name: ChildRun :one
-- The child run of a step.
select id, state, cause from weir.runs where parent_run = @run::uuid and parent_step = @step::int;
