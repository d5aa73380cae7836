package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

func planTables() []flowTable {
	schedule := map[string]string{
		"name": "'s'", "plan": "'p'", "cron": "'@daily'", "next_slot": "'2026-05-04 12:00Z'", "due_at": "'2026-05-04 12:00Z'",
	}
	return []flowTable{
		{"weir.plans", map[string]string{"name": "'p'", "version": "1", "plan": "'{}'", "digest": "'d'"}, []check{
			{"plan_name_is_well_formed", "name", "'Build'"},
			{"plan_name_is_well_formed", "name", "''"},
			{"plan_version_counts_from_one", "version", "0"},
			{"plan_is_an_object", "plan", "'[]'"},
		}},
		{"weir.schedules", schedule, []check{
			{"schedule_name_is_well_formed", "name", "'a b'"},
			{"schedule_plan_version_counts_from_one", "plan_version", "0"},
			{"schedule_input_is_an_object", "input", "'[]'"},
			{"schedule_jitter_is_not_negative", "jitter", "'-1s'"},
			{"schedule_overlap_is_known", "overlap", "'explode'"},
			{"schedule_missed_is_known", "missed", "'some'"},
			{"schedule_missed_within_is_positive", "missed_within", "'0'"},
			{"schedule_is_due_no_sooner_than_its_slot", "due_at", "'2026-05-04 11:59Z'"},
			{"schedule_pause_is_whole", "paused_at", "clock_timestamp()"},
			{"schedule_pause_is_whole", "paused_by", "'me'"},
			{"schedule_last_is_whole", "last_slot", "clock_timestamp()"},
			{"schedule_last_is_whole", "last_run, last_fired_at", "gen_random_uuid(), clock_timestamp()"},
			{"schedule_skip_is_whole", "skip_reason", "'missed'"},
			{"schedule_skip_reason_is_known", "skipped_slot, skipped_at, skip_reason", "clock_timestamp(), clock_timestamp(), 'mood'"},
			{"schedule_error_is_whole", "error", "'oops'"},
		}},
	}
}

// A version of a plan stays what it is, whoever asks for something else: the owner, too.
func TestPlansAreImmutable(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	const put = "insert into weir.plans (name, version, plan, digest) values ('p', 1, '{}', 'd')"
	require.NoError(t, write(t, pool, "somebody", put))
	const rows = "select string_agg(p::text, ' ') from weir.plans p"
	before := one[string](t, pool, rows)
	for _, sql := range []string{
		`update weir.plans set plan = '{"a": 1}'`,
		"update weir.plans set description = 'other' where name = 'p'",
		"delete from weir.plans",
		"truncate weir.plans",
		put + " on conflict (name, version) do update set digest = 'other'",
	} {
		refusal := refused(t, write(t, pool, "somebody", sql), "plans_are_immutable")
		require.Contains(t, refusal.Hint, "Put another plan", sql)
	}
	require.Equal(t, before, one[string](t, pool, rows))
}
