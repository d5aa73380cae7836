package migrations_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// ours lists every object of schema weir that is not River's or goose's, with its comment: kind, name, comment.
const ours = `
with relation as (
  select oid, relkind, relname::text as name from pg_class where relnamespace = 'weir'::regnamespace and relname !~ '^(river|goose)_' and relkind in ('r', 'p', 'v', 'm', 'f')
)
select 'schema', nspname::text, coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace where nspname = 'weir'
union all select case when relkind = 'v' then 'view' else 'table' end, name, coalesce(obj_description(oid, 'pg_class'), '') from relation
union all select 'column', name || '.' || attname, coalesce(col_description(oid, attnum), '')
  from relation join pg_attribute on attrelid = oid and attnum > 0 and not attisdropped
union all select 'constraint', name || '.' || conname, coalesce(obj_description(c.oid, 'pg_constraint'), '')
  from relation r join pg_constraint c on c.conrelid = r.oid and c.contype not in ('n', 't')
union all select 'index', i.relname::text, coalesce(obj_description(i.oid, 'pg_class'), '')
  from relation r join pg_index on indrelid = r.oid join pg_class i on i.oid = indexrelid
  where not exists (select from pg_constraint where conindid = i.oid)
union all select 'trigger', name || '.' || tgname, coalesce(obj_description(t.oid, 'pg_trigger'), '')
  from relation r join pg_trigger t on tgrelid = r.oid and not tgisinternal
union all select 'function', proname::text, coalesce(obj_description(oid, 'pg_proc'), '')
  from pg_proc where pronamespace = 'weir'::regnamespace and proname !~ '^river_'
union all select 'type', typname::text, coalesce(obj_description(oid, 'pg_type'), '')
  from pg_type where typnamespace = 'weir'::regnamespace and typname !~ '^river_' and typtype in ('e', 'd', 'r')
union all select 'sequence', relname::text, coalesce(obj_description(oid, 'pg_class'), '')
  from pg_class where relnamespace = 'weir'::regnamespace and relkind = 'S' and relname !~ '^(river|goose)_'
    and not exists (select from pg_depend where objid = pg_class.oid and deptype in ('i', 'a'))`

// speechless lists what has no comment, or one that only repeats its name; seen counts what was looked at, by kind.
func speechless(t *testing.T, pool *pgxpool.Pool) (found []string, seen map[string]int) {
	t.Helper()
	rows, err := pool.Query(t.Context(), ours)
	require.NoError(t, err)
	seen = make(map[string]int)
	var kind, name, comment string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &comment}, func() error {
		seen[kind]++
		switch {
		case comment == "":
			found = append(found, kind+" "+name+" has no comment")
		case repeats(kind, name, comment):
			found = append(found, kind+" "+name+" has a comment that only repeats its name: "+comment)
		}
		return nil
	})
	require.NoError(t, err)
	slices.Sort(found)
	return found, seen
}

// repeats is true for a comment whose words are all in the name, or say nothing.
func repeats(kind, name, comment string) bool {
	word := regexp.MustCompile(`[a-z0-9]+`)
	said := append(word.FindAllString(strings.ToLower(name), -1), kind, "a", "an", "the", "this", "that", "its", "of", "for", "in", "on", "is", "are", "has", "s", "to", "and")
	for _, w := range word.FindAllString(strings.ToLower(comment), -1) {
		if !slices.Contains(said, w) && !slices.Contains(said, strings.TrimSuffix(w, "s")) && !slices.Contains(said, w+"s") {
			return false
		}
	}
	return true
}

// Whoever reads \d+ or has just met an error finds an explanation at every object.
func TestEveryObjectHasAComment(t *testing.T) {
	t.Parallel()
	found, seen := speechless(t, dbtest.Pool(t))
	require.Empty(t, found)
	for kind, least := range map[string]int{"schema": 1, "table": 15, "view": 4, "column": 200, "constraint": 60, "index": 8, "trigger": 20, "function": 8, "type": 4} {
		require.GreaterOrEqual(t, seen[kind], least, kind)
	}
}

// The test above can fail.
func TestObjectsWithoutACommentAreFound(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for _, sql := range []string{
		"create table weir.bare (some_column int constraint some_rule check (some_column > 0))",
		"create index some_index on weir.bare (some_column)",
		"create view weir.some_view as select 1 as one",
		"create function weir.some_function() returns int language sql as 'select 1'",
		"create type weir.some_type as enum ('a')",
		"create sequence weir.some_sequence",
		"create trigger some_trigger before truncate on weir.bare execute function weir.refuse()",
		"comment on column weir.runs.description is 'The description of the run.'",
		"comment on table weir.runs is 'Table of runs.'",
		"comment on constraint steps_pkey on weir.steps is ''",
		"create table weir.river_of_theirs (i int)",
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	found, _ := speechless(t, pool)
	require.Equal(t, []string{
		"column bare.some_column has no comment",
		"column runs.description has a comment that only repeats its name: The description of the run.",
		"column some_view.one has no comment",
		"constraint bare.some_rule has no comment",
		"constraint steps.steps_pkey has no comment",
		"function some_function has no comment",
		"index some_index has no comment",
		"sequence some_sequence has no comment",
		"table bare has no comment",
		"table runs has a comment that only repeats its name: Table of runs.",
		"trigger bare.some_trigger has no comment",
		"type some_type has no comment",
		"view some_view has no comment",
	}, found)
}
