//go:build linux

package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// atOnce is how many things the operator does at once.
const atOnce = 8

// waiting is a step that waits for somebody.
type waiting struct {
	Run      uuid.UUID
	Name     string // the run's
	Key      string
	For      string // signal, approval, decision; early: it will wait for a signal
	Failures int
}

// operator knows what it has done.
type operator struct {
	*Workload

	slots  chan struct{}
	acting sync.WaitGroup

	mu     sync.Mutex
	done   map[waiting]time.Time
	paused map[uuid.UUID]time.Time // since when it is known
}

// operate gives steps what they wait for, and ends pauses that were forgotten: at once if all of them are, else after a
// while. It goes on until ctx ends.
func (w *Workload) operate(ctx context.Context, all bool) {
	o := &operator{Workload: w, slots: make(chan struct{}, atOnce), done: map[waiting]time.Time{}, paused: map[uuid.UUID]time.Time{}}
	for turn := 0; pause(ctx, between); turn++ {
		if err := o.answer(ctx); err != nil {
			w.config.Logger.Debug("the operator cannot look for what waits", "error", err)
		}
		if err := o.unpause(ctx, all); err != nil {
			w.config.Logger.Debug("the operator cannot look for what is paused", "error", err)
		}
		if !all {
			o.queues(ctx, turn)
		}
	}
	o.acting.Wait()
}

// do does something beside everything else, but not too much at once.
func (o *operator) do(ctx context.Context, what func()) {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	o.acting.Go(func() {
		what()
		<-o.slots
	})
}

// fresh reports whether something was not done just now, and notes that it is.
func (o *operator) fresh(s waiting) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.done[s]) < callWithin {
		return false
	}
	o.done[s] = time.Now()
	return true
}

func (o *operator) answer(ctx context.Context) error {
	steps, err := table[waiting](ctx, o.Workload, `
select s.run_id as run, r.name, s.key, s.waiting_for::text as "for", s.failures
from weir.steps s join weir.runs r on r.id = s.run_id
where s.state = 'waiting' and s.waiting_for in ('signal', 'approval', 'decision') and s.cancel_requested_at is null
union all
select s.run_id, r.name, s.key, 'early', s.failures
from weir.steps s join weir.runs r on r.id = s.run_id
where s.state = 'pending' and s.expects = 'signal' and starts_with(s.key, 'early-')
  and not exists (select from weir.signals g where g.run_id = s.run_id and g.step = s.step)`)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if never := strings.HasPrefix(s.Key, "never-"); !never && o.fresh(s) || s.For == "decision" && never && o.fresh(s) {
			o.do(ctx, func() { o.give(ctx, s) })
		}
	}
	return nil
}

// give gives a step what it waits for. What it is follows from the names of run and step.
func (o *operator) give(ctx context.Context, s waiting) {
	about, output := s.Run.String()+" "+s.Key, json.RawMessage(`{"list": [0], "n": 1, "text": "given"}`)
	n := number(o.config.Seed, s.For, s.Name, s.Key, strconv.Itoa(s.Failures))
	var decision client.DecisionDecision
	switch s.For {
	case "signal", "early":
		act(ctx, o.Workload, "signal", about, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Step], error) {
			return weir.StepSignal(ctx, s.Run, s.Key, output)
		})
		return
	case "approval":
		decision = share(n, client.DecisionDecisionAccept, way[client.DecisionDecision]{25, client.DecisionDecisionFail})
	case "decision":
		decision = share(n, client.DecisionDecisionFail, way[client.DecisionDecision]{35, client.DecisionDecisionRetry},
			way[client.DecisionDecision]{20, client.DecisionDecisionSkip}, way[client.DecisionDecision]{20, client.DecisionDecisionAccept})
		if s.Failures > 4 && decision == client.DecisionDecisionRetry {
			decision = client.DecisionDecisionFail
		}
	}
	body := client.Decision{Decision: decision}
	if decision == client.DecisionDecisionAccept {
		body.Output = &output
	}
	act(ctx, o.Workload, fmt.Sprintf("%s %s", s.For, decision), about, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Step], error) {
		return weir.StepDecision(ctx, s.Run, s.Key, body)
	})
}

// unpause ends pauses: all, or those that have been there for longer than anybody wants.
func (o *operator) unpause(ctx context.Context, all bool) error {
	runs, err := list[uuid.UUID](ctx, o.Workload, `select id from weir.runs where state = 'paused'`)
	if err != nil {
		return err
	}
	since := map[uuid.UUID]time.Time{}
	for _, run := range runs {
		first, known := o.paused[run]
		if !known {
			first = time.Now()
		}
		since[run] = first
		if (all || time.Since(first) > pausedFor) && o.fresh(waiting{Run: run}) {
			o.do(ctx, func() { o.resume(ctx, run) })
		}
	}
	o.paused = since
	return nil
}

// queues pauses a queue for a moment, now and then.
func (o *operator) queues(ctx context.Context, turn int) {
	const every, long = 80, 8 // turns
	queue := Queues()[number(o.config.Seed, "queue", strconv.Itoa(turn/every))%uint64(len(Queues()))]
	switch turn % every {
	case every / 2:
		o.do(ctx, func() {
			act(ctx, o.Workload, "pause queue", queue, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Queue], error) {
				return weir.QueuePause(ctx, queue)
			})
		})
	case every/2 + long:
		o.do(ctx, func() { o.resumeQueue(ctx, queue) })
	}
}

func (w *Workload) resumeQueue(ctx context.Context, queue string) {
	act(ctx, w, "resume queue", queue, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Queue], error) {
		return weir.QueueResume(ctx, queue)
	})
}
