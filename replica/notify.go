package replica

import (
	"context"
	"time"

	"github.com/weirqueue/weir/db"
)

// notifyEvery is how often the worker's row is told whether notifications arrive, if that has changed.
const notifyEvery = time.Second

// noteNotify keeps weir.workers.notify true until ctx ends: a replica that only polls shows.
func (w *worker) noteNotify(ctx context.Context) {
	t := time.NewTicker(notifyEvery)
	defer t.Stop()
	noted := db.ModePoll // what a worker is registered with
	for {
		if mode := w.listening(); mode != noted {
			if err := w.beats.WorkerNotify(ctx, w.id, string(mode)); err == nil {
				noted = mode
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
