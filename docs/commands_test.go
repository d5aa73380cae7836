//go:build linux

package docs_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// elsewhere are commands that this test does not run, and who does.
var elsewhere = map[string]string{
	"git clone https://github.com/weirqueue/weir && cd weir": "this is the clone",
	"go test ./...": "this is one of its tests",
	"curl -N http://127.0.0.1:8080/v1/runs/$run/events": "package api follows runs over HTTP, and both clients do",
	"go build -o weir ./cmd/weir":                       "so does this test, elsewhere",
	".ci/run":                                           "it runs this test",
	"just prove --minutes 2 --replicas 3":               "it takes minutes; integration/prove is tested in parts",
	"cd bench && go run .":                              "it takes minutes; .ci/run compiles it",
	"cp examples/compose.env .env":                      "compose.yaml is for containers",
}

// commandWithin bounds one command, and answerWithin how long an answer may be another one than the page's: what is
// told of may come a moment later.
const (
	commandWithin = 3 * time.Minute
	answerWithin  = time.Minute
	goldenWithin  = 12 * time.Second // what it is then, it stays
)

// session runs the commands of one page, one after the other, as a reader would in one shell. With WEIR_UPDATE_GOLDEN=1
// answers that have become other ones are written into the page.
type session struct {
	t       *testing.T
	root    string           // of the repository
	bin     string           // a directory with the programs
	cluster *cluster.Cluster // of weir
	weir    *cluster.Process // that has the API, in another shell
	golden  bool             // write the answers into the page
	etl     string           // what stands for 127.0.0.1:8090
	env     []string
}

func TestCommandsOfREADME(t *testing.T)    { t.Parallel(); follow(t, "README.md") }
func TestCommandsOfPlans(t *testing.T)     { t.Parallel(); follow(t, "docs/plans.md") }
func TestCommandsOfPsql(t *testing.T)      { t.Parallel(); follow(t, "docs/psql.md") }
func TestCommandsOfSchedules(t *testing.T) { t.Parallel(); follow(t, "docs/schedules.md") }

// Every other page has only commands that are run somewhere.
func TestCommandsOfOtherPages(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	adrs, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	require.NoError(t, err)
	pages = append(append(pages, adrs...), filepath.Join(root, "CONTRIBUTING.md"), filepath.Join(root, "CHANGELOG.md"))
	for _, page := range pages {
		if slices.Contains([]string{"psql.md", "plans.md", "schedules.md"}, filepath.Base(page)) {
			continue
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, b := range blocks(filepath.Base(page), string(text)) {
			switch b.lang {
			case "sh":
				for _, command := range b.commands() {
					require.Contains(t, elsewhere, command, "%s: a page with commands is followed by a test", b)
				}
			case "console":
				require.Fail(t, "a page with answers is followed by a test", b)
			}
		}
	}
}

// Commands of weir that are named in the text exist.
func TestCommandsInTheText(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("`weir ([a-z]+)(?: ([a-z]+))?[^`]*`")
	known := map[string]bool{}
	for _, page := range []string{"../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md", "psql.md", "plans.md", "schedules.md", "architecture.md", "states.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range named.FindAllStringSubmatch(string(text), -1) {
			words := []string{match[1]}
			if slices.Contains([]string{"plan", "migrate", "schedule"}, match[1]) {
				words = append(words, match[2])
			}
			known[strings.Join(words, " ")] = true
		}
	}
	require.Greater(t, len(known), 5)
	for words := range known {
		out, err := exec.Command(cluster.Binary(t), append(strings.Fields(words), "--help")...).CombinedOutput()
		require.NoError(t, err, "weir %s: %s", words, out)
	}
}

// follow does what a page says, in order.
func follow(t *testing.T, name string) {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	page := string(text)
	s := &session{t: t, root: root, bin: t.TempDir(), golden: os.Getenv("WEIR_UPDATE_GOLDEN") != ""}
	s.begin()
	for _, b := range blocks(name, page) {
		switch b.lang {
		case "sh":
			for _, command := range b.commands() {
				s.run(b, command)
			}
		case "console":
			var said strings.Builder
			for _, e := range b.exchanges() {
				e.want = s.exchange(b, e)
				said.WriteString(e.String())
			}
			if said.String() != b.text {
				page = strings.Replace(page, "```console\n"+b.text, "```console\n"+said.String(), 1)
			}
		case "yaml":
			s.isAnExample(b)
		case "go":
			s.compiles(b)
		case "text":
		default:
			require.Fail(t, "a block says what is in it: sh, console, yaml, go or text", b)
		}
	}
	s.cluster.NoViolations()
	if page != string(text) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(page), 0o644))
	}
}

// begin starts what `go run ./cmd/weir dev` starts, on a database of the test.
func (s *session) begin() {
	s.t.Helper()
	require.NoError(s.t, os.Symlink(cluster.Binary(s.t), filepath.Join(s.bin, "weir")))
	s.cluster = cluster.New(s.t, cluster.Config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	s.etl = listener.Addr().String()
	require.NoError(s.t, listener.Close())
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "WEIR_") && !strings.HasPrefix(kv, "PG") {
			s.env = append(s.env, kv)
		}
	}
	s.env = append(s.env, "PATH="+s.bin+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "WEIR_DATABASE_URL="+s.cluster.URL)
}

var goRun = regexp.MustCompile(`go run \./(\S+)`)

// here is a command with programs that are built once, and the addresses of this test.
func (s *session) here(command string) string {
	s.t.Helper()
	command = goRun.ReplaceAllStringFunc(command, func(text string) string {
		pkg := strings.TrimPrefix(text, "go run ./")
		name := filepath.Base(pkg)
		file := filepath.Join(s.bin, name)
		if _, err := os.Stat(file); err != nil {
			build := exec.Command("go", "build", "-buildvcs=false", "-o", file, "./"+pkg)
			build.Dir = s.root
			out, err := build.CombinedOutput()
			require.NoError(s.t, err, "%s", out)
		}
		return name
	})
	command = strings.ReplaceAll(command, "127.0.0.1:8090", s.etl)
	return strings.ReplaceAll(command, "URL", "'"+s.cluster.URL+"'")
}

// run runs a command that must succeed, or starts a server.
func (s *session) run(b block, command string) {
	s.t.Helper()
	if _, known := elsewhere[command]; known {
		return
	}
	words := strings.Fields(s.here(command))
	if len(words) > 1 && (words[1] == "dev" || words[1] == "serve") {
		s.start(words)
		return
	}
	out, code := s.shell(s.quick(command))
	require.Zero(s.t, code, "%s: %s\n%s", b, command, out)
}

// quick leaves out most of what takes long.
func (s *session) quick(command string) string {
	if strings.Contains(command, "examples/ci.yaml") && strings.Contains(command, "submit") {
		command += " --input all=./lifecycle/expr --input plan=./lifecycle/expr --input jobs=./jobs/netguard --input api=./jobs/netguard"
	}
	return command
}

// start starts a server in place of the one that its program may have running.
func (s *session) start(words []string) {
	s.t.Helper()
	binary, err := filepath.EvalSymlinks(filepath.Join(s.bin, words[0]))
	require.NoError(s.t, err)
	if words[0] == "etl" {
		ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
		server := exec.CommandContext(ctx, binary, words[1:]...)
		require.NoError(s.t, server.Start())
		s.t.Cleanup(func() { cancel(); _ = server.Wait() })
		require.Eventually(s.t, func() bool {
			conn, err := net.Dial("tcp", s.etl)
			return err == nil && conn.Close() == nil
		}, commandWithin, 10*time.Millisecond)
		return
	}
	// One at a time has the API's port.
	if s.weir != nil {
		s.weir.Stop()
	}
	c := cluster.New(s.t, cluster.Config{URL: s.cluster.URL, Binary: binary})
	s.weir = c.Command(append(words[1:], "--database-url", s.cluster.URL, "--listen", "127.0.0.1:0", "--exec-dir", s.root)...)
	s.env = append(s.env, "WEIR_SERVER="+c.Dev(s.weir).Server)
}

// exchange runs a command until its answer is the page's, and returns what the page should have.
func (s *session) exchange(b block, e exchange) string {
	s.t.Helper()
	want := alike(e.want)
	within := answerWithin
	if s.golden {
		within = goldenWithin
	}
	until := time.Now().Add(within)
	for {
		got, there := s.say(e)
		if !there {
			s.t.Logf("%s: there is no psql on this machine: what it answers is not compared", b)
			_, _ = s.cluster.Pool.Exec(s.t.Context(), e.command) // the page goes on from what it changes
			return e.want
		}
		if alike(got) == want {
			return e.want
		}
		if !onlyLooks(e.command) || time.Now().After(until) {
			if s.golden {
				return strings.TrimRight(got, " \n") + "\n"
			}
			require.Equal(s.t, want, alike(got), "%s: %s\n%s", b, e.command, got)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// say says it to whom it is for; there is false if that is psql and there is none.
func (s *session) say(e exchange) (got string, there bool) {
	s.t.Helper()
	if e.psql {
		return s.psql(e.command)
	}
	got, _ = s.shell(s.quick(e.command))
	return got, true
}

// onlyLooks reports whether a command can be repeated.
func onlyLooks(command string) bool {
	for _, prefix := range []string{"select ", "weir run", "weir steps ", "weir logs ", "weir why ", "weir doctor"} {
		if strings.HasPrefix(command, prefix) {
			return true
		}
	}
	return false
}

// shell runs a command in the repository.
func (s *session) shell(command string) (out string, code int) {
	s.t.Helper()
	return s.output("sh", "-c", s.here(command))
}

// psql runs a statement as somebody who types it.
func (s *session) psql(statement string) (out string, there bool) {
	s.t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		return "", false
	}
	out, _ = s.output(path, "-X", "-P", "pager=off", "-c", statement, s.cluster.URL)
	user := cluster.Value[string](s.cluster, "select current_user::text")
	return strings.ReplaceAll(out, "db:"+user, "db:postgres"), true
}

func (s *session) output(program string, args ...string) (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), commandWithin)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Env = s.root, s.env
	raw, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		require.NoError(s.t, err, "%s %s", program, args)
	}
	return string(raw), command.ProcessState.ExitCode()
}

// isAnExample: a plan that is printed is one that is tried.
func (s *session) isAnExample(b block) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.root, "examples", "*.yaml"))
	require.NoError(s.t, err)
	more, err := filepath.Glob(filepath.Join(s.root, "examples", "plans", "*.yaml"))
	require.NoError(s.t, err)
	files = append(files, more...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(s.t, err)
		if string(text) == b.text {
			return
		}
	}
	require.Fail(s.t, "a plan in a page is a file in examples", b)
}

// compiles: a program that is printed is one.
func (s *session) compiles(b block) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), fmt.Sprintf("block%d.go", b.line))
	require.NoError(s.t, os.WriteFile(file, []byte(b.text), 0o600))
	vet := exec.Command("go", "vet", file)
	vet.Dir = s.root
	out, err := vet.CombinedOutput()
	require.NoError(s.t, err, "%s: %s", b, out)
}
