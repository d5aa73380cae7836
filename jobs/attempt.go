package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// Attempt is what a handler can know about its attempt, and the ways in which it can speak. Its fields are not to be
// changed; its methods may be called concurrently, and do nothing once the attempt is over.
type Attempt struct {
	Run     uuid.UUID
	RunName string
	Step    string // the step's key
	Kind    string
	Attempt int // counts the claims of the step, from 1
	Worker  uuid.UUID
	Input   json.RawMessage           // the run's input
	Needs   map[string]lifecycle.Need // the direct needs by key: state, and output if they have one

	exec *execution // nil outside of a supervisor
}

type attemptKey struct{}

// NewContext returns a context that carries an attempt. Supervisors do this; tests of handlers may.
func NewContext(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// FromContext returns the attempt of a handler's context. It is never nil: without one in the context, what comes back
// is an empty attempt whose logger discards.
func FromContext(ctx context.Context) *Attempt {
	if a, ok := ctx.Value(attemptKey{}).(*Attempt); ok && a != nil {
		return a
	}
	return &Attempt{}
}

// Logger returns the attempt's logger: its records are the log of the step (`weir logs`), in order, with their level.
// Every record is a sign of life for stall_after.
func (a *Attempt) Logger() *slog.Logger {
	if a.exec == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(newLogHandler(a.exec))
}

// Progress tells how far the attempt is: percent from 0 to 100 (outside: unknown) and a short message. The last one
// within a fifth of a second is sent. It is a sign of life for stall_after.
func (a *Attempt) Progress(percent float64, message string) {
	if a.exec != nil {
		a.exec.progress(percent, message)
	}
}

// IdempotencyKey is "run/step": the same for every attempt of a step, so that whoever is called twice can know.
func (a *Attempt) IdempotencyKey() string { return a.Run.String() + "/" + a.Step }

// NeedOutput decodes the output of a direct need of the attempt in ctx into T. A need that the step does not have, one
// without an output and one that does not fit T are permanent errors.
func NeedOutput[T any](ctx context.Context, key string) (T, error) {
	var out T
	need, ok := FromContext(ctx).Needs[key]
	switch {
	case !ok:
		return out, Permanent(fmt.Errorf("read the output of need %q: the step has no such need", key))
	case need.Output == nil:
		return out, Permanent(fmt.Errorf("read the output of need %q: it has none, it is %s", key, need.State))
	}
	if err := json.Unmarshal(need.Output, &out); err != nil {
		return out, Permanent(fmt.Errorf("read the output of need %q: %w", key, err))
	}
	return out, nil
}
