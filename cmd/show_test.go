package cmd

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked is a server to ask, and a run there that failed.
type asked struct{ server, run string }

// setupAsked runs one plan on one server, for tests that only read.
func setupAsked(t *testing.T) asked {
	t.Helper()
	server := served(t)
	return asked{server: server, run: finished(t, server, failing)}
}

// answer is what a command that works answers, and all it says.
func (a asked) answer(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := runs(t, append([]string{"WEIR_SERVER=" + a.server}, args...)...)
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, stderr)
	return stdout
}

// json is the answer as a value.
func (a asked) json(t *testing.T, into any, args ...string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.answer(t, append(args, "-o", "json")...)), into))
}

// raw is what the API itself answers.
func (a asked) raw(t *testing.T, path string) string {
	t.Helper()
	code, body := get(t, a.server+path)
	require.Equal(t, 200, code, body)
	return body
}

// times and spans differ from run to run.
var (
	anyMoment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	anySpan   = regexp.MustCompile(`\b\d+(ms|\.\ds)( *)`)
	manySpace = regexp.MustCompile(`(\S) {2,}`)
)

// still is a table without what differs.
func (a asked) still(text string) string {
	text = strings.ReplaceAll(text, a.run, "RUN")
	text = anySpan.ReplaceAllString(anyMoment.ReplaceAllString(text, "MOMENT"), "SPAN  ")
	text = manySpace.ReplaceAllString(text, "$1  ")
	return strings.ReplaceAll(text, "  \n", "\n")
}

func TestRunShows(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	require.Equal(t, `id  RUN
name  team/failing
state  failed (steps_final)
steps  3: 1 succeeded, 1 failed, 1 skipped
labels  team=data
input  {"day":1}
created  MOMENT by local
finished  MOMENT
took  SPAN
failures  check failed after 2 attempts: the command exited with code 3: no good (exit_code)
`, a.still(a.answer(t, "run", a.run)))
	require.Equal(t, a.run+"\n", a.answer(t, "run", a.run, "-q"))
	require.JSONEq(t, a.raw(t, "/v1/runs/"+a.run), a.answer(t, "run", a.run, "-o", "json"))
	require.Contains(t, a.answer(t, "run", a.run, "-o", "yaml"), "\nname: team/failing\n")
}

func TestRunsLists(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	fine := finished(t, a.server, `{"name": "fine", "labels": {"team": "data", "x": "a:b"}, "steps": [{"key": "a", "kind": "noop"}]}`)
	require.Equal(t, `ID  NAME  STATE  STEPS  CREATED  TOOK
FINE  fine  succeeded  1/1  MOMENT  SPAN
RUN  team/failing  failed  3/3  MOMENT  SPAN
`, strings.ReplaceAll(a.still(a.answer(t, "runs")), fine, "FINE"))
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"all":            {nil, []string{fine, a.run}},
		"a state":        {[]string{"--state", "failed"}, []string{a.run}},
		"another state":  {[]string{"--state", "paused"}, []string{}},
		"a name":         {[]string{"--name", "fine"}, []string{fine}},
		"a label":        {[]string{"--label", "team=data"}, []string{fine, a.run}},
		"labels":         {[]string{"--label", "team=data", "--label", "x=a:b"}, []string{fine}},
		"as the API has": {[]string{"--label", "x:a:b"}, []string{fine}},
		"few":            {[]string{"--limit", "1"}, []string{fine}},
		"all, not few":   {[]string{"--limit", "1", "--all"}, []string{fine, a.run}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, strings.Fields(a.answer(t, append([]string{"runs", "-q"}, c.args...)...)))
			var page struct {
				Items []struct{ ID string }
				Next  *string
			}
			a.json(t, &page, append([]string{"runs"}, c.args...)...)
			require.Len(t, page.Items, len(c.want))
			require.Equal(t, name == "few", page.Next != nil)
		})
	}
	require.JSONEq(t, a.raw(t, "/v1/runs"), a.answer(t, "runs", "-o", "json"))
	var first struct{ Next string }
	a.json(t, &first, "runs", "--limit", "1")
	require.Equal(t, a.run+"\n", a.answer(t, "runs", "--cursor", first.Next, "-q"))
}

func TestRunsReadsManyPages(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	const many = 7
	for range many {
		submitted(t, a.server, "name: a\nsteps: [{key: a, kind: noop}]")
	}
	var l list[struct{ ID string }]
	pages := 0
	err := l.read(nil, many-1, func(_ *int64, cursor *string) (json.RawMessage, error) {
		pages++
		path := "/v1/runs?limit=2"
		if cursor != nil {
			path += "&cursor=" + *cursor
		}
		return json.RawMessage(a.raw(t, path)), nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, pages)
	require.Len(t, l.values, many-1)
	require.NotNil(t, l.Next)
	require.Len(t, strings.Fields(a.answer(t, "runs", "-q", "--all")), many)
}

func TestStepsShows(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	require.Equal(t, `STEP  KIND  STATE  CAUSE  ATTEMPT  STARTED  TOOK  SAYS
fetch  exec  succeeded  reported  1  MOMENT  SPAN  -
check  exec  failed  attempts_spent  2/2  MOMENT  SPAN  the command exited with code 3: no good
after  noop  skipped  upstream_failed  0  -  -  -
`, a.still(a.answer(t, "steps", a.run)))
	require.Equal(t, "fetch\ncheck\nafter\n", a.answer(t, "steps", a.run, "-q"))
	require.JSONEq(t, a.raw(t, "/v1/runs/"+a.run+"/steps"), a.answer(t, "steps", a.run, "-o", "json"))

	shown := a.still(a.answer(t, "steps", a.run, "check"))
	for _, line := range []string{
		"step  check\n", "state  failed (attempts_spent)\n", "attempt  2/2\n", "needs  fetch\n", `with  {"command":["sh","-c",`,
		"error  exit_code: the command exited with code 3: no good\n", "detail  {",
	} {
		require.Contains(t, shown, line)
	}
	require.Contains(t, a.still(a.answer(t, "steps", a.run, "fetch")), "output  {\"rows\":3}\n")
	require.Equal(t, "fetch\n", a.answer(t, "steps", a.run, "fetch", "-q"))
	require.JSONEq(t, a.raw(t, "/v1/runs/"+a.run+"/steps/fetch"), a.answer(t, "steps", a.run, "fetch", "-o", "json"))
}

func TestWhyExplains(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	require.Equal(t, `after is skipped
  final: it has ended
    cause: upstream_failed
    finished at: MOMENT
  upstream_failed: something that it needs did not succeed
    needs: check is failed (attempts_spent)
`, a.still(regexp.MustCompile(`\.\d{6}Z`).ReplaceAllString(a.answer(t, "why", a.run, "after"), "Z")))
	require.Equal(t, "final\nupstream_failed\n", a.answer(t, "why", a.run, "after", "-q"))
	require.JSONEq(t, a.raw(t, "/v1/runs/"+a.run+"/steps/after/why"), a.answer(t, "why", a.run, "after", "-o", "json"))
}

func TestCancelAsks(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	id := submitted(t, a.server, endless)
	require.Regexp(t, `^step after is (pending, and its cancellation is asked for|cancelled)\n$`, a.answer(t, "cancel", id, "after"))
	require.Regexp(t, `^run `+id+` is (running, and its cancellation is asked for|cancelled)\n$`, a.answer(t, "cancel", id, "--reason", "no longer wanted"))
	code, _, stderr := runs(t, "run", id, "--wait", "--server", a.server)
	require.Equal(t, exitRunCanceled, code, stderr)
	var run struct{ State string }
	require.NoError(t, json.Unmarshal([]byte(a.raw(t, "/v1/runs/"+id)), &run))
	require.Equal(t, "cancelled", run.State)

	for _, args := range [][]string{{"cancel", id}, {"cancel", id, "after"}} {
		code, stdout, stderr := runs(t, append(args, "--server", a.server)...)
		require.Equal(t, exitError, code)
		require.Empty(t, stdout)
		require.Regexp(t, `^weir: .* \(cancelled since \S+Z\)\ntry: weir (run|steps) `+id+` --server \S+\n$`, stderr)
	}
}

func TestReadingRefuses(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	const none = "01980000-0000-7000-8000-000000000000"
	for name, c := range map[string]struct {
		args      []string
		code      int
		what, try string
	}{
		"a run that there is not":            {[]string{"run", none}, exitError, "there is no such run", "weir runs --server " + a.server},
		"to wait for that":                   {[]string{"run", none, "--wait"}, exitError, "there is no such run", "weir runs"},
		"its steps":                          {[]string{"steps", none}, exitError, "there is no such run", "weir runs"},
		"its step":                           {[]string{"steps", none, "a"}, exitError, "there is no such run", "weir runs"},
		"its logs":                           {[]string{"logs", none}, exitError, "there is no such run", "weir runs"},
		"to follow its logs":                 {[]string{"logs", none, "--follow"}, exitError, "there is no such run", "weir runs"},
		"why":                                {[]string{"why", none, "a"}, exitError, "there is no such run", "weir runs"},
		"to cancel it":                       {[]string{"cancel", none}, exitError, "there is no such run", "weir runs"},
		"a step that there is not":           {[]string{"steps", a.run, "nope"}, exitError, "no such step", "weir steps " + a.run},
		"its log":                            {[]string{"logs", a.run, "nope"}, exitError, "no such step", "weir steps " + a.run},
		"to follow its log":                  {[]string{"logs", a.run, "nope", "-f"}, exitError, "no such step", "weir steps " + a.run},
		"to cancel it too":                   {[]string{"cancel", a.run, "nope"}, exitError, "no such step", "weir steps " + a.run},
		"why it":                             {[]string{"why", a.run, "nope"}, exitError, "no such step", "weir steps " + a.run},
		"a key that is none":                 {[]string{"steps", a.run, "no pe"}, exitUsage, "the key of a step", "--help"},
		"an id that is none":                 {[]string{"run", "7"}, exitUsage, "the id of a run is", "weir run --help"},
		"an id in another form":              {[]string{"run", strings.ReplaceAll(none, "-", "")}, exitUsage, "the id of a run is", "weir run --help"},
		"no id":                              {[]string{"why"}, exitUsage, "<ID>", "weir why --help"},
		"a state that is none":               {[]string{"runs", "--state", "done"}, exitUsage, "--state is running, paused", "--state running"},
		"a label that is none":               {[]string{"runs", "--label", "team"}, exitUsage, "--label is KEY=VALUE", "--label team=data"},
		"a limit that is none":               {[]string{"runs", "--limit", "0"}, exitUsage, "--limit is at least 1", "--all"},
		"a name that is none":                {[]string{"runs", "--name", "A B"}, exitUsage, "--name: ", "--help"},
		"a cursor that is none":              {[]string{"runs", "--cursor", "x"}, exitUsage, "cursor", "--help"},
		"an attempt that is none":            {[]string{"logs", a.run, "--attempt", "0"}, exitUsage, "--attempt", "--attempt 1"},
		"a reason that is too long":          {[]string{"cancel", a.run, "--reason", strings.Repeat("x", 1025)}, exitUsage, "--reason: expected at most 1024", "--help"},
		"a timeout without wait":             {[]string{"run", a.run, "--timeout", "1s"}, exitUsage, "--timeout", "--wait --timeout 1s"},
		"a server that is not there":         {[]string{"runs", "--server", "http://127.0.0.1:1"}, exitError, "nothing answers at http://127.0.0.1:1", "weir dev"},
		"to wait where there is no server":   {[]string{"run", a.run, "--wait", "--server", "http://127.0.0.1:1"}, exitError, "nothing answers at", "weir dev"},
		"to follow where there is no server": {[]string{"logs", a.run, "-f", "--server", "http://127.0.0.1:1"}, exitError, "nothing answers at", "weir dev"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if !strings.Contains(strings.Join(args, " "), "--server") {
				args = append(args, "--server", a.server)
			}
			code, stdout, stderr := runs(t, args...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, "weir: "), stderr)
			require.Contains(t, stderr, c.what)
			require.Contains(t, stderr, "\ntry: ")
			require.Contains(t, stderr, c.try)
		})
	}
}
