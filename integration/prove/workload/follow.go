//go:build linux

package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// follow is what is done with a run after it was acknowledged. of is its number: what is done follows from it.
func (w *Workload) follow(ctx, known context.Context, of string, run uuid.UUID) (follow []func()) {
	seed := w.config.Seed
	wait := func(what string, upTo uint64) bool {
		return pause(ctx, time.Duration(number(seed, what, of)%upTo)*time.Millisecond)
	}
	if chance(6, seed, "pause", of) {
		follow = append(follow, func() {
			if !wait("pause at", 500) {
				return
			}
			act(known, w, "pause", run.String(), func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
				return weir.RunPause(ctx, run)
			})
			wait("resume at", 1000)
			w.resume(known, run)
		})
	}
	if chance(4, seed, "cancel", of) {
		follow = append(follow, func() {
			if wait("cancel at", 1500) {
				act(known, w, "cancel", run.String(), func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
					return weir.RunCancel(ctx, run, "only to see")
				})
			}
		})
	}
	if chance(6, seed, "cancel step", of) {
		follow = append(follow, func() {
			if wait("cancel step at", 1000) {
				key := "k" + strconv.FormatUint(number(seed, "cancel which", of)%4, 10)
				act(known, w, "cancel step", run.String()+" "+key, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Step], error) {
					return weir.StepCancel(ctx, run, key, "only to see")
				})
			}
		})
	}
	if chance(8, seed, "rerun", of) {
		follow = append(follow, func() {
			select {
			case <-ctx.Done():
			case <-w.ended(run):
				w.rerun(known, of, run)
			}
		})
	}
	return follow
}

func (w *Workload) resume(ctx context.Context, run uuid.UUID) {
	act(ctx, w, "resume", run.String(), func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
		return weir.RunResume(ctx, run)
	})
}

// rerun does a run again that has ended, twice under the same key.
func (w *Workload) rerun(ctx context.Context, of string, run uuid.UUID) {
	var how client.Rerun
	switch number(w.config.Seed, "rerun how", of) % 4 {
	case 0:
		how.From = &[]string{"k0"}
	case 1:
		input := json.RawMessage(`{"list": [3, 4], "n": 5, "text": "drawn", "deep": {"er": ["c", "d"]}}`)
		how.Input = &input
	}
	key := fmt.Sprintf("prove-%d-rerun-%s", w.config.Seed, of)
	w.asks(key)
	for n := range 1 + number(w.config.Seed, "rerun again", of)%2 {
		answer, err := ask(ctx, w, fmt.Sprint("rerun", of, n), func(ctx context.Context, weir *client.Weir) (client.Answer[client.Run], error) {
			return weir.RunRerun(ctx, run, how, key)
		})
		switch why := code(err); {
		case err == nil:
			w.count("rerun")
			w.ack(taken{run: answer.Value.ID, name: answer.Value.Name}, key, 0)
		case why == client.ProblemCodeIllegalTransition || why == client.ProblemCodeNotFound || why == client.ProblemCodePlanInvalid || why == client.ProblemCodeInvalidRequest:
			w.count("rerun: " + string(why)) // it has no k0, or nothing in it to do again
		default:
			w.problem("do run %s again: %w", run, err)
		}
	}
}
