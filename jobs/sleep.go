package jobs

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"time"
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
		d, err := parseDuration(in.Duration)
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

var durationForm = regexp.MustCompile(`^(?:(\d+)d)?((?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?)$`)

// parseDuration reads a duration as plans write them.
func parseDuration(s string) (time.Duration, error) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, errors.New("must be a duration like 90s, 1h30m or 250ms")
	}
	var d time.Duration
	if m[1] != "" {
		days, err := strconv.Atoi(m[1])
		if err != nil || days > 365 {
			return 0, errors.New("must be at most 365d")
		}
		d = time.Duration(days) * 24 * time.Hour
	}
	if m[2] != "" {
		rest, err := time.ParseDuration(m[2])
		if err != nil || rest > 365*24*time.Hour {
			return 0, errors.New("must be at most 365d")
		}
		d += rest
	}
	if d <= 0 {
		return 0, errors.New("must be more than 0")
	}
	return d, nil
}
