package jobs

import (
	"context"
	"reflect"
	"time"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// maxSleep is the longest duration of kind sleep.
const maxSleep = time.Hour

// sleepInput is the `with` of kind sleep.
type sleepInput struct {
	Duration string `json:"duration" jsonschema:"how long, at most 1h: 90s, 1m30s, 250ms"`
}

// registerSleep registers kind sleep: it holds a slot for its duration.
func registerSleep(reg *Registry) error {
	return handle(reg, "sleep", reflect.TypeFor[struct{}](), func(ctx context.Context, in sleepInput) (output, error) {
		d, err := plan.ParseDuration(in.Duration)
		if err != nil {
			return output{}, &Failure{Code: "invalid_with", Message: "with.duration: " + err.Error(), Permanent: true}
		}
		if d > maxSleep {
			return output{}, &Failure{Code: "invalid_with", Message: "with.duration: must be at most 1h", Permanent: true}
		}
		sleep(ctx, d)
		return output{}, context.Cause(ctx)
	})
}
