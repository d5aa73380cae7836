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
	StartAt     *time.Time      // nil: at once
	Delay       time.Duration   // from submit; 0 = none. At most one of StartAt and Delay is set
	Timeout     time.Duration   // of the run, from its start; 0 = none
	OnFailure   string          // continue, cancel, pause
	MaxParallel int             // running steps of the run; 0 = no limit
	Concurrency *Concurrency    // of the run; nil: none
	Rate        *Rate           // of starts of runs; nil: none
	Output      json.RawMessage // nil: none; its expressions are over input, run and steps.KEY
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
	ForEach      string        // one expression that gives a list, `${{ }}` included; "" = none
	MaxParallel  int           // children of for_each that run at once; 0 = no limit
	Concurrency  *Concurrency  // nil: none; with for_each, of each child
	Rate         *Rate         // nil: none; with for_each, of each child
	Timeout      time.Duration // of one attempt; 0 = none
	Grace        time.Duration
	StallAfter   time.Duration // 0 = never
	Retry        Retry
	Queue        string
	Priority     int    // 1 (first) to 4
	RunsOn       string // replica, remote
}

// Expects says what the step waits for once its needs are met: "children" (of for_each), "signal", "approval" or "time" (kind
// wait), "run" (kind plan); "" for every other step, which a worker claims.
func (s *Step) Expects() string {
	switch {
	case s.ForEach != "":
		return "children"
	case s.Kind == KindPlan:
		return "run"
	case s.Kind == KindWait:
		var with struct{ For string }
		if err := json.Unmarshal(s.With, &with); err != nil || with.For == "" {
			return WaitSignal
		}
		return with.For
	}
	return ""
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

// Concurrency bounds how many holders of a key there are at once, across all runs.
type Concurrency struct {
	Key      string // may hold expressions over input and run until [Plan.Resolved]
	Limit    int    // 1 to 100,000; an administered limit of the key overrides it
	Strategy string // when all slots are taken: queue, cancel_oldest, cancel_newest
}

// Rate bounds how often a key is taken, across all runs: a token bucket of Limit that fills in Per.
type Rate struct {
	Key   string // may hold expressions over input and run until [Plan.Resolved]
	Limit int    // 1 to 1,000,000
	Per   time.Duration
}
