//go:build weirfault

package lifecycle

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// faultDelays names the variable that says where a process of a test is held, and for how long: POINT=DURATION, with
// commas between, and * for every point. Every second time that an Engine comes by, by chance, it waits there for up to
// that long; with POINT=DURATION! it waits exactly that long, every time. The binaries that people get are built without
// this file.
const faultDelays = "WEIR_FAULT_DELAYS"

func faults(logger *slog.Logger) *pauses {
	delays, err := readDelays(os.Getenv(faultDelays))
	if err != nil || len(delays) == 0 {
		logger.Warn("no faults are injected", "error", err)
		return nil
	}
	logger.Warn("faults are injected", "delays", delays)
	return &pauses{hold: func(point string) {
		d, ok := delays[point]
		if !ok {
			d = delays["*"]
		}
		switch {
		case d.always:
			time.Sleep(d.longest)
		case d.longest > 0 && rand.IntN(2) == 0:
			time.Sleep(rand.N(d.longest))
		}
	}}
}

type delay struct {
	longest time.Duration
	always  bool
}

func readDelays(text string) (map[string]delay, error) {
	points := []string{"*", pauseStarted, pauseFinished, pauseBeforeTake, pauseBeforeLock, pauseTaken, pauseBeforeUnlock, pauseFired}
	delays := map[string]delay{}
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		point, value, _ := strings.Cut(part, "=")
		value, always := strings.CutSuffix(value, "!")
		longest, err := time.ParseDuration(value)
		if err != nil || longest <= 0 || !slices.Contains(points, point) {
			return nil, fmt.Errorf("%s: %q is not POINT=DURATION or POINT=DURATION!, the point one of %q", faultDelays, part, points)
		}
		delays[point] = delay{longest, always}
	}
	return delays, nil
}
