-- name: LateReportViews :many
-- limit 1: each step is looked up by its key, however many steps the planner thinks a run has.
select l.id, l.at, l.run_id, coalesce(s.key, '')::text as step_key, l.attempt, l.worker_id, l.report, l.outcome, l.result, l.state_was, l.payload
from weir.late_reports l
left join lateral (select x.key from weir.steps x where x.run_id = l.run_id and x.step = l.step limit 1) s on true
where l.id < @before
order by l.id desc
limit @max;

-- name: LateReportViewsOfRun :many
-- materialized: those of a run are few, and found by their run.
with l as materialized (
  select r.id, r.at, r.run_id, r.step, r.attempt, r.worker_id, r.report, r.outcome, r.result, r.state_was, r.payload
  from weir.late_reports r
  where r.run_id = @run and r.id < @before
)
select l.id, l.at, l.run_id, coalesce(s.key, '')::text as step_key, l.attempt, l.worker_id, l.report, l.outcome, l.result, l.state_was, l.payload
from l
left join lateral (select x.key from weir.steps x where x.run_id = l.run_id and x.step = l.step limit 1) s on true
order by l.id desc
limit @max;

-- name: ViolationViews :many
select v.rule::text as rule, coalesce(v.run_id::text, '')::text as run, coalesce(s.key, '')::text as step_key, v.message::text as message
from (select x.rule, x.run_id, x.step, x.message from weir.violations x limit @max) v
left join lateral (select x.key from weir.steps x where x.run_id = v.run_id and x.step = v.step limit 1) s on true
order by 1, 2, 3, 4;
