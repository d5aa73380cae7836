package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Queue is where steps wait for a slot of the replicas that work it.
type Queue struct {
	Name      string     `json:"name" doc:"Its name." example:"default"`
	Paused    bool       `json:"paused" doc:"Whether nothing of it starts."`
	PausedAt  *timestamp `json:"paused_at" doc:"Since when; null: it is not paused."`
	Available int        `json:"available" doc:"How many steps wait for a worker." example:"2"`
	Running   int        `json:"running" doc:"How many steps run."`
	OldestAt  *timestamp `json:"oldest_at" doc:"Since when the oldest of those that wait does; null: none waits."`
}

// QueuePage is every queue, by name.
type QueuePage struct {
	Items []Queue `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"Always null: there is one page."`
}

// QueueParam names a queue.
type QueueParam struct {
	Queue string `path:"queue" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$" patternDescription:"the name of a queue" doc:"The name of the queue." example:"default"`
}

type queueOutput struct {
	Body Queue
}

type queueListOutput struct {
	Body QueuePage
}

// queues are the calls about queues.
func (s *server) queues(routes huma.API) {
	register(s, routes, operation{
		id: "queue-list", method: http.MethodGet, path: "/v1/queues", tag: "operate",
		summary:     "List the queues",
		description: "Those that a live replica works, that are paused, or where steps wait or run.",
		problems:    []string{codeInvalidParameter},
	}, s.queueList)
	problems := []string{
		lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound,
	}
	register(s, routes, operation{
		id: "queue-pause", method: http.MethodPost, path: "/v1/queues/{queue}/pause", tag: "operate",
		summary: "Start nothing of a queue any more",
		description: "What runs goes on. It holds for every replica once it is answered, also for those that start later, until the queue is resumed; what is being started in that moment runs. " +
			"Asking again changes nothing. A queue that no replica has worked and where no step waits is not_found.",
		problems: problems,
	}, s.queuePause)
	register(s, routes, operation{
		id: "queue-resume", method: http.MethodPost, path: "/v1/queues/{queue}/resume", tag: "operate",
		summary:     "Go on with a queue that was paused",
		description: "A queue that is not paused stays as it is.",
		problems:    problems,
	}, s.queueResume)
}

func (s *server) queueList(ctx context.Context, _ *struct{}) (*queueListOutput, error) {
	views, err := s.Lifecycle.QueueList(ctx)
	if err != nil {
		return nil, err
	}
	out := &queueListOutput{Body: QueuePage{Items: make([]Queue, len(views))}}
	for i := range views {
		out.Body.Items[i] = queueOf(&views[i])
	}
	return out, nil
}

func (s *server) queuePause(ctx context.Context, in *QueueParam) (*queueOutput, error) {
	return queueAnswer(s.Lifecycle.QueuePause(ctx, in.Queue))
}

func (s *server) queueResume(ctx context.Context, in *QueueParam) (*queueOutput, error) {
	return queueAnswer(s.Lifecycle.QueueResume(ctx, in.Queue))
}

func queueAnswer(view *lifecycle.QueueView, err error) (*queueOutput, error) {
	if err != nil {
		return nil, err
	}
	return &queueOutput{Body: queueOf(view)}, nil
}

func queueOf(view *lifecycle.QueueView) Queue {
	return Queue{
		Name: view.Name, Paused: view.PausedAt != nil, PausedAt: timestampOf(view.PausedAt),
		Available: view.Available, Running: view.Running, OldestAt: timestampOf(view.OldestAt),
	}
}
