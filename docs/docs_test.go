// Package docs_test holds the documentation to what it describes.
package docs_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// column gives the cells of one column of the table under a heading, without backquotes.
func column(t *testing.T, text, heading string, index int) []string {
	t.Helper()
	_, section, found := strings.Cut(text, "\n## "+heading+"\n")
	require.True(t, found, "there is a heading %q", heading)
	section, _, _ = strings.Cut(section, "\n## ")
	var cells []string
	for line := range strings.Lines(section) {
		if row, ok := strings.CutPrefix(strings.TrimSpace(line), "|"); ok {
			cells = append(cells, strings.Trim(strings.Split(row, "|")[index], " `"))
		}
	}
	require.Greater(t, len(cells), 2, "there is a table under %q", heading)
	return cells[2:]
}

// list asks the database for a column of text.
func list(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, values)
	return values
}

func TestStatesAreTheDatabases(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("states.md")
	require.NoError(t, err)
	text := string(raw)
	pool := dbtest.Pool(t)
	for entity, final := range map[string]func(string) bool{
		"step": func(s string) bool { return lifecycle.StepState(s).Final() },
		"run":  func(s string) bool { return lifecycle.RunState(s).Final() },
	} {
		states := list(t, pool, "select unnest(enum_range(null::weir."+entity+"_state))::text")
		heading := "States of a " + entity
		require.Equal(t, states, column(t, text, heading, 0))
		var finals []string
		for _, state := range states {
			if final(state) {
				finals = append(finals, "yes")
			} else {
				finals = append(finals, "")
			}
		}
		require.Equal(t, finals, column(t, text, heading, 1))

		want := list(t, pool, `
select from_state || ' → ' || to_state || ': ' || meaning
from weir.legal_transitions
where entity = $1
order by from_state::weir.`+entity+`_state, to_state::weir.`+entity+`_state`, entity)
		var got []string
		heading = "Transitions of a " + entity
		to, meaning := column(t, text, heading, 1), column(t, text, heading, 2)
		for i, from := range column(t, text, heading, 0) {
			got = append(got, fmt.Sprintf("%s → %s: %s", from, to[i], meaning[i]))
		}
		require.Equal(t, want, got)
	}
	require.Equal(t, list(t, pool, "select unnest(enum_range(null::weir.cause))::text"), column(t, text, "Causes", 0))
}

// Every relative link leads somewhere, and so does every name of a file or folder of the repository.
func TestLinks(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot("..")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for folder, pages := range map[string][]string{
		".":        {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"},
		"docs":     pagesOf(t, root, "docs"),
		"docs/adr": pagesOf(t, root, "docs/adr"),
	} {
		for _, page := range pages {
			content, err := root.ReadFile(folder + "/" + page)
			require.NoError(t, err)
			for _, match := range link.FindAllStringSubmatch(string(content), -1) {
				dir := folder
				target := match[1]
				for rest, up := strings.CutPrefix(target, "../"); up; rest, up = strings.CutPrefix(target, "../") {
					target = rest
					dir = dir[:max(strings.LastIndexByte(dir, '/'), 0)]
				}
				_, err := root.Stat(strings.TrimPrefix(dir+"/"+target, "/"))
				require.NoError(t, err, "%s/%s links to %s", folder, page, match[1])
			}
		}
	}
}

// pagesOf lists the Markdown files of a folder.
func pagesOf(t *testing.T, root *os.Root, folder string) []string {
	t.Helper()
	dir, err := root.Open(folder)
	require.NoError(t, err)
	names, err := dir.Readdirnames(-1)
	require.NoError(t, err)
	require.NoError(t, dir.Close())
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".md") })
}
