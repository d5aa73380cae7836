package migrations_test

// flowTable is a table of flows: what every row of it needs, and what its CHECKs refuse.
type flowTable struct {
	name   string
	needed map[string]string
	checks []check
}

func flowTables() []flowTable {
	return []flowTable{
		{"weir.policies", map[string]string{"run_id": "gen_random_uuid()", "step": "0"}, []check{
			{"policy_says_something", "step", "1"},
			{"policy_concurrency_is_whole", "concurrency_key", "'k'"},
			{"policy_concurrency_is_whole", "concurrency_key, concurrency_limit", "'k', 1"},
			{"policy_concurrency_is_whole", "output, concurrency_strategy", "'1', 'queue'"},
			{"policy_strategy_is_known", "concurrency_key, concurrency_limit, concurrency_strategy", "'k', 1, 'explode'"},
			{"policy_rate_is_whole", "rate_key", "'k'"},
			{"policy_rate_is_whole", "rate_key, rate_limit", "'k', 1"},
			{"policy_limits_are_positive", "concurrency_key, concurrency_limit, concurrency_strategy", "'k', 0, 'queue'"},
			{"policy_limits_are_positive", "rate_key, rate_limit, rate_per", "'k', 0, '1s'"},
			{"policy_limits_are_positive", "rate_key, rate_limit, rate_per", "'k', 1, '0s'"},
			{"policy_limits_are_positive", "max_parallel", "0"},
		}},
		{"weir.limits", map[string]string{"key": "'k'"}, []check{
			{"limit_key_is_well_formed", "key", "''"},
			{"limit_key_is_well_formed", "key", "'a b'"},
			{"limit_key_is_well_formed", "key", "'/a'"},
			{"limit_key_is_well_formed", "key", "repeat('a', 257)"},
			{"limit_is_positive", "declared", "0"},
			{"limit_is_positive", "administered, administered_at, administered_by", "0, clock_timestamp(), 'me'"},
			{"limit_used_is_not_negative", "used", "-1"},
			{"limit_administered_says_by_whom", "administered", "1"},
			{"limit_administered_says_by_whom", "administered, administered_at", "1, clock_timestamp()"},
			{"limit_administered_says_by_whom", "administered_by", "'me'"},
		}},
		{"weir.rates", map[string]string{"key": "'k'", "tokens": "1", "rate_limit": "1", "rate_per": "'1s'"}, []check{
			{"rate_is_positive", "rate_limit", "0"},
			{"rate_is_positive", "rate_per", "'0s'"},
			{"rate_tokens_are_not_negative", "tokens", "-0.5"},
		}},
		{"weir.slots", map[string]string{"run_id": "gen_random_uuid()", "step": "1"}, []check{
			{"slot_is_held_or_waited_for", "priority", "1"},
			{"slot_is_held_or_waited_for", "waiting_on, held_at", "'k', clock_timestamp()"},
			{"slot_holds_only_when_held", "waiting_on, holds", "'k', '{k}'"},
		}},
		{"weir.families", map[string]string{"run_id": "gen_random_uuid()", "step": "1", "total": "2", "items": "'[1, 2]'"}, []check{
			{"family_counts_are_possible", "total", "-1"},
			{"family_counts_are_possible", "expanded", "3"},
			{"family_counts_are_possible", "expanded, ended", "1, 2"},
			{"family_counts_are_possible", "expanded, ended, failed", "1, 1, 2"},
			{"family_counts_are_possible", "expanded, ended, failed", "1, 1, -1"},
			{"family_has_its_list_until_it_is_expanded", "expanded", "2"},
			{"family_has_its_list_until_it_is_expanded", "items", "null"},
		}},
		{"weir.run_outputs", map[string]string{"run_id": "gen_random_uuid()"}, []check{
			{"run_output_or_error", "output", "null"},
			{"run_output_or_error", "output, output_error", "'1', '{}'"},
		}},
	}
}
