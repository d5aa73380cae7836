package jobs

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// builtin makes a supervisor with the kinds that every replica brings.
func builtin(t *testing.T, claim lifecycle.Attempt, change func(*BuiltinConfig)) *bench {
	t.Helper()
	cfg := BuiltinConfig{
		EnableExec: true, ExecDir: t.TempDir(), WorkspaceDir: t.TempDir(), Environ: os.Environ(),
		HTTPAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
	if change != nil {
		change(&cfg)
	}
	reg := NewRegistry()
	require.NoError(t, RegisterBuiltin(reg, cfg))
	obs := &counts{n: map[string]int{}}
	f := &fake{claim: claim}
	return &bench{fake: f, obs: obs, sup: NewSupervisor(SupervisorConfig{
		Lifecycle: f, Registry: reg, Worker: uuid.New(), Observer: obs,
	})}
}

func TestBuiltinKinds(t *testing.T) {
	t.Parallel()
	reg := NewRegistry()
	require.NoError(t, RegisterBuiltin(reg, BuiltinConfig{}))
	var names []string
	for _, k := range reg.Kinds() {
		names = append(names, k.Name)
	}
	require.Equal(t, []string{"http", "noop", "sleep"}, names, "exec only where it is enabled")
	require.Error(t, RegisterBuiltin(reg, BuiltinConfig{}), "twice is once too often")
}

func TestNoop(t *testing.T) {
	t.Parallel()
	for with, want := range map[string]string{
		`{}`:                       ``,
		`{"output":{"a":[1,"b"]}}`: `{"a":[1,"b"]}`,
		`{"output":null}`:          `null`,
		`{"output":"text"}`:        `"text"`,
	} {
		b := builtin(t, aClaim("noop", with), nil)
		b.work(t)
		require.Equal(t, lifecycle.OutcomeSucceeded, b.only(t).Outcome)
		require.Equal(t, want, string(b.only(t).Output))
	}
	b := builtin(t, aClaim("noop", `{"outptu":1}`), nil)
	b.work(t)
	require.Equal(t, "invalid_with", b.only(t).Error.Code)
	require.Contains(t, b.only(t).Error.Message, `with.outptu: is not known, did you mean "output"?`)
}

func TestSleep(t *testing.T) {
	t.Parallel()
	for with, c := range map[string]struct {
		outcome lifecycle.Outcome
		took    time.Duration
	}{
		`{"duration":"1m30s"}`: {lifecycle.OutcomeSucceeded, 90 * time.Second},
		`{"duration":"250ms"}`: {lifecycle.OutcomeSucceeded, 250 * time.Millisecond},
		`{"duration":"1h"}`:    {lifecycle.OutcomeSucceeded, time.Hour},
		`{"duration":"1h1ms"}`: {lifecycle.OutcomeFailed, 0},
		`{"duration":"1d"}`:    {lifecycle.OutcomeFailed, 0},
		`{"duration":"0s"}`:    {lifecycle.OutcomeFailed, 0},
		`{"duration":"1"}`:     {lifecycle.OutcomeFailed, 0},
		`{"duration":"1s1m"}`:  {lifecycle.OutcomeFailed, 0},
		`{"duration":""}`:      {lifecycle.OutcomeFailed, 0},
		`{"duration":90}`:      {lifecycle.OutcomeFailed, 0},
		`{}`:                   {lifecycle.OutcomeFailed, 0},
	} {
		t.Run(with, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				claim := aClaim("sleep", with)
				claim.Timeout = 0
				b := builtin(t, claim, nil)
				began := time.Now()
				b.work(t)
				require.Equal(t, c.outcome, b.only(t).Outcome)
				require.Equal(t, c.took, time.Since(began))
				require.Nil(t, b.only(t).Output)
			})
		})
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := builtin(t, aClaim("sleep", `{"duration":"1h"}`), nil)
		began := time.Now()
		b.work(t)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, lifecycle.OutcomeTimedOut, b.only(t).Outcome)
	})
}

// ExampleHandle shows a handler of one's own.
func ExampleHandle() {
	type greeting struct {
		Name string `json:"name" jsonschema:"who is greeted"`
	}
	reg := NewRegistry()
	err := Handle(reg, "greet", func(ctx context.Context, in greeting) (json.RawMessage, error) {
		FromContext(ctx).Logger().Info("greeting", "name", in.Name)
		return json.Marshal("hello " + in.Name)
	})
	if err != nil {
		panic(err)
	}
	// Output:
}
