//go:build linux

package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// submission is what is submitted under one Idempotency-Key.
type submission struct {
	key  string
	kept bool // the answer may be a run that others submitted
	send func(ctx context.Context, weir *client.Weir) ([]taken, error)
}

// taken is a run that was promised.
type taken struct {
	run  uuid.UUID
	name string
	// others says that it is the live run of a key, submitted by others: our Idempotency-Key then names nothing.
	others bool
}

// way is one of several, taken so many times in a hundred.
type way[T any] struct {
	percent uint64
	what    T
}

// share says which of several ways a number goes; the rest takes what they leave.
func share[T any](n uint64, rest T, ways ...way[T]) T {
	at := n % 100
	for _, w := range ways {
		if at < w.percent {
			return w.what
		}
		at -= w.percent
	}
	return rest
}

// submit does what is to be done with number i, and returns what follows. It stops to ask when known ends; nothing new is
// begun when ctx has ended.
func (w *Workload) submit(ctx, known context.Context, i int) (follow []func()) {
	word := strconv.Itoa(i)
	how := share(number(w.config.Seed, "way", word), "alone",
		way[string]{8, "batch"}, way[string]{10, "by key"}, way[string]{5, "by name"}, way[string]{4, "faulty"}, way[string]{3, "conflict"})
	w.count("submit: " + how)
	if how == "faulty" {
		w.submitFaulty(known, i)
		return nil
	}
	s := w.submission(i, how)
	runs := w.send(known, s)
	if runs == nil {
		return nil
	}
	if how == "conflict" {
		w.submitConflict(known, s)
	}
	if chance(10, w.config.Seed, "later", word) {
		follow = append(follow, func() { w.again(ctx, known, s) })
	}
	for k, t := range runs {
		follow = append(follow, w.follow(ctx, known, fmt.Sprintf("%d/%d", i, k), t.run)...)
	}
	return follow
}

// submission makes what number i submits.
func (w *Workload) submission(i int, how string) submission {
	word := strconv.Itoa(i)
	s := submission{key: fmt.Sprintf("prove-%d-%d", w.config.Seed, i)}
	plan := w.plans.Plan(i)
	one := func(send func(context.Context, *client.Weir) (client.Answer[client.Run], error)) func(context.Context, *client.Weir) ([]taken, error) {
		return func(ctx context.Context, weir *client.Weir) ([]taken, error) {
			answer, err := send(ctx, weir)
			run := answer.Value
			return []taken{{run: run.ID, name: run.Name, others: run.IdempotencyKey == nil || *run.IdempotencyKey != s.key}}, err
		}
	}
	s.send = one(func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
		return weir.RunSubmit(ctx, plan, s.key)
	})
	switch how {
	case "batch":
		plans, names := []json.RawMessage{plan}, []string{"drawn/" + word}
		for k := range 1 + number(w.config.Seed, "batch", word)%3 {
			name := fmt.Sprintf("drawn/%d/%d", i, k)
			names = append(names, name)
			plans = append(plans, w.plans.draw(name, 0))
		}
		s.send = func(ctx context.Context, weir *client.Weir) ([]taken, error) {
			answer, err := weir.RunsBatch(ctx, plans, s.key)
			if err != nil {
				return nil, err
			}
			if len(answer.Value.Runs) != len(plans) {
				return nil, fmt.Errorf("a batch of %d plans made %d runs", len(plans), len(answer.Value.Runs))
			}
			runs := make([]taken, len(plans))
			for k, run := range answer.Value.Runs {
				runs[k] = taken{run: run.ID, name: names[k]}
			}
			return runs, nil
		}
	case "by key":
		key := fmt.Sprintf("shared/%d", number(w.config.Seed, "key", word)%5)
		conflict := share(number(w.config.Seed, "conflict", word), client.RunBykeyParamsOnConflictQueue,
			way[client.RunBykeyParamsOnConflict]{40, client.RunBykeyParamsOnConflictKeep}, way[client.RunBykeyParamsOnConflict]{30, client.RunBykeyParamsOnConflictReplace})
		s.kept = conflict == client.RunBykeyParamsOnConflictKeep
		s.send = one(func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
			return weir.RunByKey(ctx, key, conflict, plan, s.key)
		})
	case "by name":
		body := json.RawMessage(fmt.Sprintf(`{"plan": %q, "input": {"n": %d}, "labels": {"by": "name"}}`, leafPlan, i))
		s.send = one(func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
			return weir.RunSubmit(ctx, body, s.key)
		})
	}
	return s
}

// send submits, some of it several times at once, until there is an answer. Nil: there is none.
func (w *Workload) send(ctx context.Context, s submission) []taken {
	w.asks(s.key)
	times := 1
	if chance(12, w.config.Seed, "at once", s.key) {
		times = 2 + int(number(w.config.Seed, "times", s.key)%2)
	}
	var all sync.WaitGroup
	got := make([][]taken, times)
	for n := range times {
		all.Go(func() {
			got[n] = w.sendOne(ctx, s, fmt.Sprintf("%s at once %d", s.key, n))
		})
		if n > 0 {
			w.count("submit: again at once")
		}
	}
	all.Wait()
	return got[0]
}

func (w *Workload) sendOne(ctx context.Context, s submission, what string) []taken {
	answer, err := ask(ctx, w, what, func(ctx context.Context, weir *client.Weir) (client.Answer[[]taken], error) {
		runs, err := s.send(ctx, weir)
		return client.Answer[[]taken]{Value: runs}, err
	})
	switch {
	case err == nil:
		for k, t := range answer.Value {
			if t.others && !s.kept {
				w.problem("submit %s: the answer is run %s, which has another Idempotency-Key", s.key, t.run)
			}
			w.ack(t, s.key, k)
		}
		return answer.Value
	case ctx.Err() != nil:
		w.count("submit: not known")
		w.problem("submit %s: there was no answer: %w", s.key, err)
	default:
		w.count("submit: refused: " + string(code(err)))
		w.problem("submit %s: %w", s.key, err)
	}
	return nil
}

// again submits the same once more, after a while.
func (w *Workload) again(ctx, known context.Context, s submission) {
	if !pause(ctx, time.Duration(500+number(w.config.Seed, "later for", s.key)%2000)*time.Millisecond) {
		return
	}
	w.count("submit: again later")
	w.sendOne(known, s, s.key+" later")
}

// submitConflict submits something else under a key that is taken.
func (w *Workload) submitConflict(ctx context.Context, s submission) {
	_, err := ask(ctx, w, s.key+" conflict", func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
		return weir.RunSubmit(ctx, json.RawMessage(`{"name": "other", "steps": [{"key": "a", "kind": "noop"}]}`), s.key)
	})
	if code(err) != client.ProblemCodeIdempotencyConflict && ctx.Err() == nil {
		w.problem("another plan under the Idempotency-Key %s is not refused as a conflict: %v", s.key, err)
	}
}

// faulty are plans that must be refused.
func faulty() []string {
	return []string{
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "needs": ["b"]}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop"}, {"key": "a", "kind": "noop"}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "needs": ["b"]}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "needs": ["a"]}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "nobody-knows"}]}`,
		`{"name": "faulty", "steps": []}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "work", "with": {"attempts": [{"do": "ok", "four": 4}]}}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "work", "with": {"attempts": "many"}}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "timeout": 5}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "with": {"output": "${{ needs.b.output }}"}}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "noop", "if": "true"}]}`,
		`{"name": "faulty", "concurrency": {"key": "k", "limit": 1}, "steps": [{"key": "a", "kind": "noop", "concurrency": {"key": "k", "limit": 1}}]}`,
		`{"name": "faulty", "steps": [{"key": "a", "kind": "plan", "with": {"plan": {"name": "b", "steps": [{"key": "c", "kind": "no-kind"}]}}}]}`,
	}
}

func (w *Workload) submitFaulty(ctx context.Context, i int) {
	all := faulty()
	plan := all[number(w.config.Seed, "faulty", strconv.Itoa(i))%uint64(len(all))]
	answer, err := ask(ctx, w, "faulty "+strconv.Itoa(i), func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
		return weir.RunSubmit(ctx, json.RawMessage(plan), fmt.Sprintf("prove-%d-%d", w.config.Seed, i))
	})
	switch {
	case err == nil:
		w.problem("a plan with faults was taken, as run %s: %s", answer.Value.ID, plan)
	case ctx.Err() == nil && code(err) != client.ProblemCodePlanInvalid:
		w.problem("a plan with faults is refused with another problem: %w: %s", err, plan)
	}
}
