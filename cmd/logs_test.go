package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogsShows(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	require.Equal(t, "fetch | fetched red\ncheck | no good\ncheck | --- attempt 2 ---\ncheck | no good\n", a.answer(t, "logs", a.run),
		"what a terminal would act upon is gone")
	require.Equal(t, "fetched red\n", a.answer(t, "logs", a.run, "fetch"))
	require.Equal(t, "no good\n", a.answer(t, "logs", a.run, "check", "--attempt", "2"))
	require.Equal(t, "check | no good\n", a.answer(t, "logs", a.run, "--attempt", "2"))
	require.Empty(t, a.answer(t, "logs", a.run, "after"))
	require.JSONEq(t, a.raw(t, "/v1/runs/"+a.run+"/logs"), a.answer(t, "logs", a.run, "-o", "json"))
	var page struct{ Items []struct{ ID, Text string } }
	a.json(t, &page, "logs", a.run, "fetch")
	require.Equal(t, "fetched \x1b[31mred\x1b[0m\a", page.Items[0].Text, "JSON is as the API has it")
	require.Equal(t, page.Items[0].ID+"\n", a.answer(t, "logs", a.run, "fetch", "-q"))

	// Of a run that has ended, following is the same.
	for _, args := range [][]string{{"logs", a.run}, {"logs", a.run, "check"}, {"logs", a.run, "check", "--attempt", "1"}} {
		require.Equal(t, a.answer(t, args...), a.answer(t, append(args, "--follow")...))
	}
	lines := strings.Split(strings.TrimSpace(a.answer(t, "logs", a.run, "--follow", "-o", "json")), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		var log struct{ Run string }
		require.NoError(t, json.Unmarshal([]byte(line), &log), "one object a line")
		require.Equal(t, a.run, log.Run)
	}
	require.Equal(t, 3, strings.Count(a.answer(t, "logs", a.run, "--follow", "-o", "yaml"), "---\nid: "))
}

// chatty is a run of two steps that write as long as a file is not there, and then end.
func chatty(until string) string {
	command := fmt.Sprintf(`[sh, -c, 'i=0; while [ ! -e %s ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo last']`, until)
	return "name: chatty\nsteps:\n- {key: a, kind: exec, with: {command: " + command + "}}\n- {key: b, kind: exec, with: {command: " + command + "}}\n"
}

func TestLogsFollows(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	until := filepath.Join(t.TempDir(), "until")
	a.run = submitted(t, a.server, chatty(until))
	all := start(t, "logs", a.run, "--follow", "--server", a.server)
	one := start(t, "logs", a.run, "b", "-f", "--server", a.server)
	left := start(t, "logs", a.run, "b", "-f", "--server", a.server)
	all.said(t, `a \| line (3)\n`)
	all.said(t, `b \| line (3)\n`)
	one.said(t, `(?m)^line (3)\n`)
	left.said(t, `(?m)^line (3)\n`)
	left.interrupt()
	require.Equal(t, exitInterrupted, left.wait(t))
	require.Equal(t, "weir: interrupted: run "+a.run+" goes on\ntry: weir logs "+a.run+" b --follow --server "+a.server+"\n", left.stderr.String())

	late := start(t, "logs", a.run, "--follow", "--server", a.server)
	late.said(t, `a \| line (3)\n`)
	require.NoError(t, os.WriteFile(until, nil, 0o600))
	require.Equal(t, exitDone, all.wait(t), all.stderr)
	require.Equal(t, exitDone, one.wait(t), one.stderr)
	require.Equal(t, exitDone, late.wait(t), late.stderr)

	require.Equal(t, a.answer(t, "logs", a.run, "b"), one.stdout.String(), "no gap, nothing twice")
	for _, c := range []*command{all, late} {
		for _, step := range []string{"a", "b"} {
			var lines []string
			for line := range strings.Lines(c.stdout.String()) {
				if text, ok := strings.CutPrefix(line, step+" | "); ok {
					lines = append(lines, text)
				}
			}
			require.Equal(t, a.answer(t, "logs", a.run, step), strings.Join(lines, ""), "no gap, nothing twice")
		}
	}
}
