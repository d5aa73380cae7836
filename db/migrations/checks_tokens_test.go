package migrations_test

func tokenTables() []flowTable {
	return []flowTable{{
		"weir.tokens",
		map[string]string{"id": "gen_random_uuid()", "name": "'ci'", "hash": "sha256('x')", "scopes": "'{read}'", "created_by": "'me'"},
		[]check{
			{"token_is_stored_as_its_hash", "hash", "'secret'"},
			{"token_name_is_a_key", "name", "'a b'"},
			{"token_name_is_a_key", "name", "''"},
			{"token_scopes_are_known", "scopes", "'{}'"},
			{"token_scopes_are_known", "scopes", "'{read,everything}'"},
		},
	}, {
		"weir.sessions",
		map[string]string{"hash": "sha256('x')", "token_id": "gen_random_uuid()", "expires_at": "clock_timestamp()"},
		[]check{{"session_is_stored_as_its_hash", "hash", "'secret'"}},
	}}
}
