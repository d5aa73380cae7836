//go:build linux

package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// interfere does to River's jobs what people do in River UI, and in psql, until ctx ends.
func (w *Workload) interfere(ctx context.Context) {
	if w.config.Interfere < 0 {
		return
	}
	dice := rand.New(rand.NewPCG(w.config.Seed, number(w.config.Seed, "interfere")))
	for pause(ctx, w.config.Interfere/2+time.Duration(dice.Int64N(int64(w.config.Interfere)))) {
		var what string
		var states []string // in which there may be a job for that
		switch n := dice.IntN(100); {
		case n < 25:
			what, states = "cancel", []string{"available", "running"}
		case n < 45:
			what, states = "delete", []string{"available", "completed", "cancelled", "discarded"}
		case n < 60:
			what, states = "retry", []string{"completed", "cancelled", "discarded"}
		case n < 80:
			what, states = "discard", []string{"available", "running"}
		default:
			what, states = "delete by hand", []string{"available", "running"}
		}
		dice.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
		nth := dice.IntN(20)
		for _, state := range states {
			did, err := w.tamper(ctx, what, state, nth)
			if err != nil && ctx.Err() == nil {
				w.count("river: " + what + ": failed")
				w.config.Logger.Debug("River's job cannot be tampered with", "what", what, "error", err)
			}
			if did {
				w.count("river: " + what + " " + state)
				break
			}
		}
	}
}

// tamper does something to one of the newest jobs in a state, if there is one.
func (w *Workload) tamper(ctx context.Context, what, state string, nth int) (did bool, err error) {
	jobs, err := list[int64](ctx, w, `
select id from (select id from weir.river_job where state = $1::text::weir.river_job_state and kind not like 'river%' order by id desc limit 20) j
order by id`, state)
	if err != nil || len(jobs) == 0 {
		return false, err
	}
	id := jobs[nth%len(jobs)]
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	switch what {
	case "cancel":
		_, err = w.river.JobCancel(ctx, id)
	case "delete":
		_, err = w.river.JobDelete(ctx, id)
	case "retry":
		_, err = w.river.JobRetry(ctx, id)
	case "discard":
		_, err = w.pool.Exec(ctx, `update weir.river_job set state = 'discarded', finalized_at = clock_timestamp() where id = $1 and state = $2::text::weir.river_job_state`, id, state)
	case "delete by hand":
		_, err = w.pool.Exec(ctx, `delete from weir.river_job where id = $1`, id)
	default:
		return false, fmt.Errorf("%s is nothing that can be done to a job", what)
	}
	if errors.Is(err, rivertype.ErrNotFound) || errors.Is(err, rivertype.ErrJobRunning) {
		return false, nil
	}
	return err == nil, err
}
