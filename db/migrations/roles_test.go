package migrations_test

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/db/migrations"
)

const (
	insufficientPrivilege = "42501"
	login                 = "weir_test_"
)

// member connects as a new login that is a member of a role and of nothing else.
func member(t *testing.T, database *dbtest.DB, role string) (conn *pgx.Conn, user string) {
	t.Helper()
	pool := database.Pool(t)
	if !one[bool](t, pool, "select rolsuper or rolcreaterole from pg_roles where rolname = current_user") {
		t.Skip("the user of WEIR_TEST_DATABASE_URL may not make roles")
	}
	user = login + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err := pool.Exec(t.Context(), "create role "+user+" login password '"+user+"' in role "+role)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := pool.Exec(context.WithoutCancel(t.Context()), "drop role "+user)
		require.NoError(t, err)
	})
	address, err := url.Parse(database.URL)
	require.NoError(t, err)
	address.User = url.UserPassword(user, user)
	conn, err = pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return conn, user
}

// denied proves that the login may not do something.
func denied(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	refusal, ok := db.AsError(err)
	require.True(t, ok, "%s: %v", sql, err)
	require.Equal(t, insufficientPrivilege, refusal.SQLState, "%s: %v", sql, err)
}

// A member of weir_app can do what a replica does, and its history is written by a function that may do more than it.
func TestRoleApp(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	conn, user := member(t, database, "weir_app")
	run := uuid.New()
	for _, sql := range []string{
		"insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'roles', 1, 1)",
		"insert into weir.run_inputs (run_id, input) values ($1, '{}')",
		`with job as (insert into weir.river_job (args, kind, max_attempts) values (jsonb_build_object('run', $1::uuid, 'step', 1), 'noop', 1) returning id)
		 insert into weir.steps (run_id, step, key, kind, state, river_job_id) select $1, 1, 'only', 'noop', 'available', id from job`,
		"update weir.river_job set state = 'running', attempt = 1 where args ->> 'run' = $1::text",
		"insert into weir.workers (id, name, lease_until) values ($1, 'w', clock_timestamp())",
		"update weir.steps set state = 'running', cause = 'claimed', attempt = 1, worker_id = $1, claimed_at = clock_timestamp() where run_id = $1",
		"insert into weir.logs (run_id, step, attempt, seq, stream, text) values ($1, 1, 1, 1, 'log', 'hello')",
		"update weir.steps set state = 'failed', cause = 'reported', finished_at = clock_timestamp(), river_job_id = null where run_id = $1",
		"insert into weir.outputs (run_id, step, attempt, error_code, error_message) values ($1, 1, 1, 'oops', 'oops')",
		"delete from weir.dirty where run_id = $1",
		"delete from weir.workers where id = $1",
	} {
		_, err := conn.Exec(t.Context(), sql, run)
		require.NoError(t, err, sql)
	}
	for _, sql := range []string{
		"select * from weir.violations", "select * from weir.stuck", "select * from weir.overview", "select * from weir.running",
		"insert into weir.river_queue (name) values ('default')", "insert into weir.river_leader (leader_id, elected_at, expires_at) values ('me', now(), now())",
		"delete from weir.river_job", "listen weir_dirty", "notify weir_dirty", "select pg_try_advisory_xact_lock(2003134834, 1)", "update weir.pulse set beat_at = clock_timestamp()",
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	require.NoError(t, db.CheckSchema(t.Context(), conn, migrations.Need()))
	var history string
	require.NoError(t, conn.QueryRow(t.Context(), `
select string_agg(to_state || ' ' || actor || ' ' || db_user, ', ' order by id) from weir.transitions where run_id = $1`, run).Scan(&history))
	require.Equal(t, "running db:"+user+" "+user+", failed db:"+user+" "+user, history, "the session's user, not the function's owner")

	for _, sql := range []string{
		"insert into weir.transitions (run_id, from_state, to_state, actor, cause) values (gen_random_uuid(), 'running', 'lost', 'me', 'manual')",
		"update weir.transitions set actor = 'me'", "delete from weir.transitions", "truncate weir.transitions", "truncate weir.runs",
		"insert into weir.legal_transitions (entity, from_state, to_state, meaning) values ('step', 'lost', 'succeeded', 'wishful thinking')",
		"update weir.schema_info set version = 1", "update weir.goose_version set version_id = 1", "delete from weir.river_migration",
		"create table weir.mine (i int)", "create function weir.mine() returns int language sql as 'select 1'", "drop index weir.needs_of_step",
		"alter table weir.steps disable trigger all", "drop trigger step_transition_is_legal on weir.steps", "alter function weir.record_steps() reset enable_nestloop",
		"set session_replication_role = replica", "select weir.grant_to_roles()",
		"create temp table forged (run_id uuid); create trigger forge after update on forged referencing old table as old_rows new table as new_rows for each statement execute function weir.record_steps()",
	} {
		denied(t, conn, sql)
	}
}

// A member of weir_reader reads everything and changes nothing.
func TestRoleReader(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	pool := database.Pool(t)
	conn, _ := member(t, database, "weir_reader")
	_, err := pool.Exec(t.Context(), "create table weir.later (i int)") // a later migration
	require.NoError(t, err)
	relations := one[[]string](t, pool, "select array_agg('weir.' || relname) from pg_class where relnamespace = 'weir'::regnamespace and relkind in ('r', 'v', 'p')")
	require.Contains(t, relations, "weir.violations")
	require.Contains(t, relations, "weir.later")
	views := one[[]string](t, pool, "select array_agg('weir.' || relname) from pg_class where relnamespace = 'weir'::regnamespace and relkind = 'v'")
	for _, relation := range relations {
		_, err := conn.Exec(t.Context(), "select * from "+relation)
		require.NoError(t, err, relation)
		if slices.Contains(views, relation) {
			continue // nobody can write to these
		}
		denied(t, conn, "delete from "+relation)
		denied(t, conn, "insert into "+relation+" default values")
	}
	denied(t, conn, "update weir.steps set state = 'cancelled'")
	denied(t, conn, "create table weir.mine (i int)")
	denied(t, conn, "select nextval('weir.river_job_id_seq')")
}

// Roles are the server's: ten databases that make the same ones at the same time must not fail for it.
func TestRolesMadeByTenDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	databases := make([]*pgx.Conn, 10)
	for i := range databases {
		conn, err := pgx.Connect(t.Context(), dbtest.Empty(t).URL)
		require.NoError(t, err)
		defer conn.Close(t.Context())
		databases[i] = conn
	}
	file, err := os.ReadFile("00007_roles.sql")
	require.NoError(t, err)
	_, statement, ok := strings.Cut(string(file), "-- +goose StatementBegin\n")
	require.True(t, ok)
	statement, _, ok = strings.Cut(statement, "-- +goose StatementEnd")
	require.True(t, ok)
	suffix := strings.ReplaceAll(uuid.NewString(), "-", "")
	statement = strings.NewReplacer("'weir_app'", "'weir_test_app"+suffix+"'", "'weir_reader'", "'weir_test_reader"+suffix+"'").Replace(statement)

	var group sync.WaitGroup
	errs := make([]error, len(databases))
	for i, conn := range databases {
		group.Go(func() { _, errs[i] = conn.Exec(t.Context(), statement) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	var made int
	require.NoError(t, databases[0].QueryRow(t.Context(), "select count(*) from pg_roles where rolname like '%' || $1 and not rolcanlogin", suffix).Scan(&made))
	require.Equal(t, 2, made)
	_, err = databases[0].Exec(t.Context(), "drop role weir_test_app"+suffix+", weir_test_reader"+suffix)
	require.NoError(t, err)
}

// Whoever may not make roles can migrate all the same, and have them made later.
func TestRolesThatMayNotBeMade(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	pool := database.Pool(t)
	if !one[bool](t, pool, "select rolsuper from pg_roles where rolname = current_user") {
		t.Skip("the user of WEIR_TEST_DATABASE_URL is no superuser")
	}
	file, err := os.ReadFile("00007_roles.sql")
	require.NoError(t, err)
	_, statement, _ := strings.Cut(string(file), "-- +goose StatementBegin\n")
	statement, _, _ = strings.Cut(statement, "-- +goose StatementEnd")
	suffix := strings.ReplaceAll(uuid.NewString(), "-", "")
	statement = strings.NewReplacer("'weir_app'", "'weir_test_app"+suffix+"'", "'weir_reader'", "'weir_test_reader"+suffix+"'").Replace(statement)
	conn, _ := member(t, database, "pg_read_all_data")
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err)
	require.Zero(t, one[int](t, pool, "select count(*) from pg_roles where rolname like '%' || $1", suffix))
}
