package migrations_test

func bulkTables() []flowTable {
	return []flowTable{{
		"weir.bulks",
		map[string]string{"id": "gen_random_uuid()", "action": "'cancel'", "total": "1", "created_by": "'me'"},
		[]check{
			{"bulk_action_is_known", "action", "'delete'"},
			{"bulk_state_is_known", "state, finished_at", "'over', clock_timestamp()"},
			{"bulk_finished_at_iff_final", "state", "'done'"},
			{"bulk_finished_at_iff_final", "finished_at", "clock_timestamp()"},
			{"bulk_counts_are_not_negative", "total", "-1"},
			{"bulk_counts_are_not_negative", "done", "-1"},
			{"bulk_counts_are_not_negative", "failed", "-1"},
			{"bulk_place_is_whole", "after_id", "gen_random_uuid()"},
			{"bulk_filter_is_an_object", "filter", "'[]'"},
		},
	}}
}
