package replica

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/weirqueue/weir/jobs"
)

// River's settings.
const (
	maxSlots = river.QueueNumWorkersMax

	// fetchCooldown is the least time between two fetches of a queue: a burst is fetched in one go.
	fetchCooldown = 2 * time.Millisecond
	// fetchPolls is how many times in a PollInterval a queue is looked at without having been told of anything.
	fetchPolls = 5
	// rowsKept is how long rows of River that are over are kept, for people who look at them.
	rowsKept = time.Hour
	// never is longer than any process.
	never = 10 * 365 * 24 * time.Hour
)

// newRiver returns a River client that fetches the rows of kinds that the registry has and hands them to the
// supervisor. All of River that makes decisions is off: it retries nothing, times nothing out and rescues nothing.
func (r *replica) newRiver(worker uuid.UUID, sup *jobs.Supervisor) (*river.Client[pgx.Tx], error) {
	queues := map[string]river.QueueConfig{}
	for name, slots := range r.cfg.Queues {
		queues[name] = river.QueueConfig{MaxWorkers: slots}
	}
	poll := never
	if r.cfg.PollInterval > 0 {
		poll = max(r.cfg.PollInterval/fetchPolls, fetchCooldown)
	}
	client, err := river.NewClient(newRiverDriver(r.pool, &r.hub, slices.Sorted(maps.Keys(queues))), &river.Config{
		ID:      worker.String(),
		Schema:  riverSchema,
		Queues:  queues,
		Workers: jobs.RiverWorkers(r.cfg.Registry, sup),
		Logger:  riverLogger(r.cfg.Logger),

		FetchCooldown:       fetchCooldown,
		FetchPollInterval:   poll,
		FetchOnlyKnownKinds: true,

		MaxAttempts:          1,
		JobTimeout:           -1,
		RescueStuckJobsAfter: never, // whether somebody is lost is not for River to say

		CompletedJobRetentionPeriod: rowsKept,
		CancelledJobRetentionPeriod: 24 * rowsKept,
		DiscardedJobRetentionPeriod: 24 * rowsKept,

		ReindexerSchedule:   river.NeverSchedule(),
		ReindexerIndexNames: []string{},
	})
	if err != nil {
		return nil, fmt.Errorf("set up River: %w", err)
	}
	return client, nil
}
