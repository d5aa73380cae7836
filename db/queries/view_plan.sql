-- name: PlanPolicies :many
select step, concurrency_key, concurrency_limit, concurrency_strategy, rate_key, rate_limit, rate_per, for_each, max_parallel, output
from weir.policies
where run_id = @run;
