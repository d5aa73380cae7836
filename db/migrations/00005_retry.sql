-- +goose Up
-- +goose StatementBegin
create function weir.retry_wait(retry jsonb, failures int, retry_after interval) returns interval
language sql volatile parallel restricted
as $$
  select greatest(
    make_interval(secs => (1 + random() * coalesce((retry->>'jitter')::float8, 0.1)) / 1000 * least(
      coalesce((retry->>'initial_ms')::float8, 1000) * case when retry->>'backoff' = 'constant' then 1 else 2 ^ (least(greatest(failures, 1), 40) - 1) end,
      coalesce((retry->>'max_ms')::float8, 300000)
    )),
    case when retry_after > interval '1 hour' then interval '1 hour' else retry_after end
  )
$$;
-- +goose StatementEnd
comment on function weir.retry_wait(jsonb, int, interval) is 'How long a step waits before it is tried again: min(initial * 2^(failures - 1), max), lengthened at random by up to jitter, never less than without it. retry is weir.steps.retry (null: 1 s, 5 min, 0.1, exponential), failures counts the failure that it waits after, retry_after is what the other side asked for (at most 1 h counts; null: nothing).';
-- +goose StatementBegin
create function weir.retry_wants(retry jsonb, outcome weir.step_state, on_request boolean) returns boolean
language sql stable parallel safe
as $$
  select case
    when retry ? 'on' then retry->'on' ? outcome::text
    else not on_request and outcome in ('failed', 'crashed', 'timed_out')
  end
$$;
-- +goose StatementEnd
comment on function weir.retry_wants(jsonb, weir.step_state, boolean) is 'Whether a retry policy (weir.steps.retry) wants a step tried again after this outcome, attempts left provided. Without "on" it wants failed, crashed and timed_out, never lost. on_request: the work may have happened although nobody said so, and only a policy that names the outcome in "on" wants it again.';
update weir.schema_info set version = 5, migrated_at = clock_timestamp();

-- +goose Down
drop function weir.retry_wait(jsonb, int, interval), weir.retry_wants(jsonb, weir.step_state, boolean);
update weir.schema_info set version = 4, migrated_at = clock_timestamp();
