package lifecycle

import (
	"context"
	"time"

	"github.com/weirqueue/weir/db/queries"
)

// QueueView is a queue: steps of it wait for a slot of the workers that work it.
type QueueView struct {
	Name      string
	PausedAt  *time.Time // since when nothing of it starts; nil: it is not paused
	Available int        // steps that wait for a worker
	Running   int
	OldestAt  *time.Time // since when the oldest of the available ones waits; nil: there is none
}

// QueueList lists every queue that a live replica works, that is paused, or where steps wait or run, by name.
func (r *Reader) QueueList(ctx context.Context) ([]QueueView, error) {
	rows, err := r.queries().QueueList(ctx, nil)
	if err != nil {
		return nil, readError(err)
	}
	views := make([]QueueView, len(rows))
	for i := range rows {
		views[i] = queueView(&rows[i])
	}
	return views, nil
}

// QueuePause keeps every replica from starting steps of the queue, until [Engine.QueueResume]; what runs goes on. It holds
// once it has returned, also for replicas that start later; what is being started in that moment runs. Asked again, it changes nothing. A queue that nobody
// has worked and where nothing waits is [CodeNotFound]: its name is more likely misspelt.
func (e *Engine) QueuePause(ctx context.Context, name string) (*QueueView, error) {
	if _, err := e.queueGet(ctx, name); err != nil {
		return nil, err
	}
	if err := e.q.QueuePause(ctx, name); err != nil {
		return nil, mapError(err)
	}
	return e.queueGet(ctx, name)
}

// QueueResume ends a pause: replicas go on with the queue at once. A queue that is not paused stays as it is.
func (e *Engine) QueueResume(ctx context.Context, name string) (*QueueView, error) {
	if _, err := e.queueGet(ctx, name); err != nil {
		return nil, err
	}
	if err := e.q.QueueResume(ctx, name); err != nil {
		return nil, mapError(err)
	}
	return e.queueGet(ctx, name)
}

// QueuesPaused names the queues that are paused.
func (r *Reader) QueuesPaused(ctx context.Context) ([]string, error) {
	names, err := r.queries().QueuesPaused(ctx)
	return names, readError(err)
}

func (r *Reader) queueGet(ctx context.Context, name string) (*QueueView, error) {
	if !storableText(name) {
		return nil, queueNotFound()
	}
	rows, err := r.queries().QueueList(ctx, &name)
	if err != nil {
		return nil, readError(err)
	}
	if len(rows) == 0 {
		return nil, queueNotFound()
	}
	view := queueView(&rows[0])
	return &view, nil
}

func queueNotFound() error {
	return &Error{Code: CodeNotFound, Message: "there is no such queue: no replica has worked it, and no step waits in it"}
}

func queueView(row *queries.QueueListRow) QueueView {
	view := QueueView{Name: row.Name, PausedAt: row.PausedAt, Available: int(row.Available), Running: int(row.Running)}
	if row.Available > 0 {
		view.OldestAt = &row.OldestAt
	}
	return view
}
