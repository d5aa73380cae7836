package replica

import (
	"context"
	"maps"
	"slices"
	"time"
)

// queueWatch tells the River client of this process which queues are paused, should it not have heard: River looks
// itself only once a minute.
type queueWatch struct {
	paused func(context.Context) ([]string, error)
	hub    *riverHub
	queues []string // that are worked here
	every  time.Duration

	known map[string]bool // what River was told last
}

// Run looks every so often until ctx ends; then it answers nil.
func (w *queueWatch) Run(ctx context.Context) error {
	t := time.NewTicker(w.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			w.runOnce(ctx)
		}
	}
}

// runOnce tells of what has changed since it looked last. A database that does not answer is no news.
func (w *queueWatch) runOnce(ctx context.Context) {
	paused, err := w.paused(ctx)
	if err != nil {
		return
	}
	if w.known == nil {
		w.known = make(map[string]bool, len(w.queues))
	}
	for _, queue := range w.queues {
		now := slices.Contains(paused, queue)
		if before, told := w.known[queue]; !told || now != before {
			w.hub.each(func(l *riverListener) { l.push(controlNotification(queue, now)) })
		}
		w.known[queue] = now
	}
}

// newQueueWatch returns what watches the queues that are worked here, if any are and looks are not off.
func (r *replica) newQueueWatch() *queueWatch {
	if r.cfg.NoWork || r.cfg.PollInterval < 0 {
		return nil
	}
	return &queueWatch{
		paused: r.engine.QueuesPaused, hub: &r.hub, queues: slices.Sorted(maps.Keys(r.cfg.Queues)), every: r.cfg.PollInterval,
	}
}
