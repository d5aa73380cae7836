package migrations_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

const (
	// golden is the dump of a migrated database: what people read and sqlc works from.
	golden = "../schema.sql"
	// goldenMajor is the major version of the pg_dump that writes it. Any server can check it.
	goldenMajor = "15"
	// goldenUpdate names the environment variable that has it written anew.
	goldenUpdate = "WEIR_UPDATE_GOLDEN"
)

// The dump, read into an empty database, gives what the migrations give. Comparing catalogs instead of texts makes the
// versions of server and pg_dump unimportant.
func TestGoldenSchema(t *testing.T) {
	t.Parallel()
	migrated := dbtest.New(t)
	if os.Getenv(goldenUpdate) != "" {
		require.NoError(t, os.WriteFile(golden, dump(t, migrated.URL), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	restored := dbtest.Empty(t)
	// Functions come before the tables that they name.
	_, err = restored.Pool(t).Exec(t.Context(), "set check_function_bodies = off;\n"+string(text), pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	require.Equal(t, catalog(t, migrated), catalog(t, restored),
		"db/schema.sql is not what the migrations make: %s=1 go test ./db/migrations -run TestGoldenSchema, then sqlc generate", goldenUpdate)
}

// catalog lists everything that schema weir consists of, one line each, and without parentheses: PostgreSQL sets others
// around what it has once written down itself.
func catalog(t *testing.T, database *dbtest.DB) string {
	t.Helper()
	var text string
	require.NoError(t, database.Pool(t).QueryRow(t.Context(), `
select string_agg(translate(line, '()', ''), e'\n' order by line collate "C") from (
  select format('%s.%s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid)) as line
  from pg_attribute
  join pg_class on pg_class.oid = attrelid and relnamespace = 'weir'::regnamespace and relkind in ('r', 'p', 'v', 'm')
  left join pg_attrdef on adrelid = attrelid and adnum = attnum
  where attnum > 0 and not attisdropped
  union all select format('%s %s %s %s', oid::regclass, relkind, relpersistence, reloptions) from pg_class where relnamespace = 'weir'::regnamespace
  union all select oid::regclass || ' ' || pg_get_viewdef(oid) from pg_class where relnamespace = 'weir'::regnamespace and relkind = 'v'
  union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'weir'::regnamespace and contype <> 'n'
  union all select indexdef from pg_indexes where schemaname = 'weir'
  union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'weir'::regnamespace
  union all select enumtypid::regtype || ' ' || string_agg(enumlabel, ',' order by enumsortorder) from pg_enum group by enumtypid
  union all select tgrelid::regclass || ' ' || tgenabled::text || ' ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all select pg_describe_object(classoid, objoid, objsubid) || ': ' || description from pg_description where objoid >= 16384
) lines`).Scan(&text))
	require.NotEmpty(t, text)
	return text
}

// dump is the golden dump of a database.
func dump(t *testing.T, url string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), pgDump(t), "--dbname", url, "--schema=weir", "--schema-only", "--no-owner", "--no-privileges")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	require.NoError(t, err, complaints.String())
	noise := regexp.MustCompile(`(?m)^(\\|--|SET |SELECT pg_catalog\.).*\n`)
	blanks := regexp.MustCompile(`\n{3,}`)
	text := blanks.ReplaceAllString(noise.ReplaceAllString(string(output), ""), "\n\n")
	return []byte(strings.TrimSpace(text) + "\n")
}

// pgDump finds the pg_dump that writes the golden dump.
func pgDump(t *testing.T) string {
	t.Helper()
	candidates, err := filepath.Glob("/usr/lib/postgresql/" + goldenMajor + "/bin/pg_dump")
	require.NoError(t, err)
	if inPath, err := exec.LookPath("pg_dump"); err == nil {
		candidates = append(candidates, inPath)
	}
	for _, candidate := range candidates {
		version, err := exec.CommandContext(t.Context(), candidate, "--version").Output()
		if err == nil && strings.Contains(string(version), " "+goldenMajor+".") {
			return candidate
		}
	}
	t.Fatalf("%s needs the pg_dump of PostgreSQL %s, in PATH or where Debian puts it", goldenUpdate, goldenMajor)
	return ""
}
