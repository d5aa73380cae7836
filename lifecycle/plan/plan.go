// Package plan is the plan format: what a client submits. It parses YAML and JSON, finds every fault at once, and
// resolves all defaults; it knows no database.
package plan

import (
	"encoding/json"
	"time"
)

// Plan is a plan whose every fault was looked for and whose every default is filled in.
type Plan struct {
	Name        string
	Description string
	Input       json.RawMessage // an object; never nil
	Labels      map[string]string
	OnFailure   string // continue, cancel, pause
	MaxParallel int    // running steps of the run; 0 = no limit
	Steps       []Step
}

// Step is one step of a plan. Steps are numbered from 1 in the order of Plan.Steps; in the database that number, the
// ordinal, is their name.
type Step struct {
	Key          string
	Kind         string
	With         json.RawMessage // an object; never nil; expressions not evaluated
	Needs        []string        // keys
	NeedOrdinals []int           // the same as ordinals
	RunIf        string          // all_succeeded, all_finished, any_failed
	AllowFailure bool
	Timeout      time.Duration // of one attempt; 0 = none
	Grace        time.Duration
	StallAfter   time.Duration // 0 = never
	Retry        Retry
	Queue        string
	Priority     int    // 1 (first) to 4
	RunsOn       string // replica, remote
}

// Retry is when a step is tried again.
type Retry struct {
	MaxAttempts int           // counted failures that end the step, 1 to 1,000
	On          []string      // outcomes that are retried: failed, crashed, timed_out, lost; nil = not given: the first three
	Backoff     string        // exponential, constant
	Initial     time.Duration // before the second try
	Max         time.Duration
	Jitter      float64 // 0 to 1, of the wait, on top
}
