//go:build linux

package workload

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// putPlans puts the plans that others name.
func (w *Workload) putPlans(ctx context.Context) {
	named := w.plans.Named()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		_, err := ask(ctx, w, "put "+name, func(ctx context.Context, weir *client.Weir) (client.Answer[client.NamedPlan], error) {
			return weir.PlanPut(ctx, name, named[name])
		})
		if err != nil && ctx.Err() == nil {
			w.problem("put plan %s: %w", name, err)
		}
	}
}

// schedules are what runs by itself, by name.
func schedules() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"prove-skip":    json.RawMessage(`{"plan": "prove/leaf", "cron": "@every 2s", "overlap": "skip"}`),
		"prove-allow":   json.RawMessage(`{"plan": "prove/pair", "cron": "*/4 * * * * *", "overlap": "allow", "missed": "all", "window": "10s"}`),
		"prove-queue":   json.RawMessage(`{"plan": "prove/leaf@1", "input": {"n": 1}, "cron": "@every 5s", "overlap": "queue", "jitter": "1s"}`),
		"prove-replace": json.RawMessage(`{"plan": "prove/pair", "cron": "@every 3s", "overlap": "replace", "missed": "skip"}`),
	}
}

func (w *Workload) putSchedules(ctx context.Context) {
	all := schedules()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, err := ask(ctx, w, "put "+name, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Schedule], error) {
			return weir.SchedulePut(ctx, name, all[name])
		})
		if err != nil && ctx.Err() == nil {
			w.problem("put schedule %s: %w", name, err)
		}
	}
}

// dropSchedules takes the schedules away: nothing starts by itself any more.
func (w *Workload) dropSchedules(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(schedules())) {
		_, err := ask(ctx, w, "drop "+name, func(ctx context.Context, weir *client.Weir) (client.Answer[client.Schedule], error) {
			return weir.ScheduleDelete(ctx, name)
		})
		if err != nil && code(err) != client.ProblemCodeNotFound {
			w.problem("take schedule %s away: %w", name, err)
		}
	}
}
