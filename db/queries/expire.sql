-- name: StepOfWorker :many
-- What a worker holds, for its steps to be ended: a batch of it.
select run_id, step, attempt from weir.steps
where state = 'running' and worker_id = @worker::uuid
order by run_id, step
limit 1000
for no key update skip locked;

-- name: StepOverdue :many
-- What is over its deadline and its grace, with two seconds more for the report. Since a gap its whole timeout has to have
-- passed: the clock may have jumped over the deadline, and its worker keeps to it all the same.
select s.run_id, s.step, s.attempt
from weir.steps s
join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - s.timeout - s.grace
where s.state = 'running' and s.deadline_at + s.grace + interval '2 seconds' < clock_timestamp()
order by s.run_id, s.step
limit 1000
for no key update of s skip locked;

-- name: StepStalled :many
-- What gave no sign of life for stall_after and a lease in which the database was there: its worker should have stopped it
-- long ago.
select s.run_id, s.step, s.attempt
from weir.steps s
join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds'
left join weir.heard h on h.run_id = s.run_id and h.step = s.step and h.attempt = s.attempt
where s.state = 'running' and s.stall_after is not null
  and greatest(s.claimed_at, s.started_at, h.at, p.steady_since) + s.stall_after + sqlc.arg('lease_ms')::bigint * interval '1 millisecond' < clock_timestamp()
order by s.run_id, s.step
limit 1000
for no key update of s skip locked;

-- name: StepUnconfirmed :many
-- What its worker was asked to stop, without a word since.
select s.run_id, s.step, s.attempt
from weir.stops o
join weir.steps s on s.run_id = o.run_id and s.step = o.step and s.attempt = o.attempt
join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - o.grace
where s.state = 'running' and o.give_up_at < clock_timestamp()
order by s.run_id, s.step
limit 1000
for no key update of s skip locked;

-- name: StopOver :execrows
-- Takes back what was asked of attempts that are over.
delete from weir.stops o
where o.give_up_at < clock_timestamp()
  and not exists (select from weir.steps s where s.run_id = o.run_id and s.step = o.step and s.attempt = o.attempt and s.state = 'running');
