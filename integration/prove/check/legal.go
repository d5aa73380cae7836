//go:build linux

package check

import (
	"cmp"
	"slices"
	"strings"
)

// The rules of life, written by hand from the design and not from the code.

// stepMoves are the legal transitions of a step; what is not a key is final.
func stepMoves() map[string][]string {
	return map[string][]string{
		"pending":   {"available", "waiting", "skipped", "cancelled"},
		"available": {"running", "cancelled"},
		"running":   {"succeeded", "failed", "crashed", "timed_out", "lost", "cancelled", "retrying", "waiting"},
		"retrying":  {"running", "cancelled"},
		"waiting":   {"succeeded", "failed", "crashed", "timed_out", "lost", "skipped", "cancelled", "retrying"},
	}
}

// runMoves are the legal transitions of a run.
func runMoves() map[string][]string {
	return map[string][]string{
		"running": {"succeeded", "failed", "cancelled", "paused"},
		"paused":  {"running", "cancelled"},
	}
}

func stepIsBornIn(state string) bool {
	return state == "pending" || state == "available" || state == "waiting"
}

func stepIsFinal(state string) bool {
	switch state {
	case "succeeded", "failed", "crashed", "timed_out", "lost", "cancelled", "skipped":
		return true
	}
	return false
}

func runIsFinal(state string) bool {
	return state == "succeeded" || state == "failed" || state == "cancelled"
}

// causeIsKnown: the closed list of the contract.
func causeIsKnown(cause string) bool {
	const known = " submitted needs_met start_at upstream_failed run_if claimed reported panic killed deadline stalled run_timeout lease_expired" +
		" claim_expired handed_back attempts_left attempts_spent permanent cancel_requested failure_policy signal approval time decision paused resumed" +
		" superseded rerun report_refused repaired steps_final unconfirmed abandoned worker_forgot report_undeliverable manual "
	return strings.Contains(known, " "+cause+" ")
}

// actorIsKnown: the closed list of the contract, and river, who cancels by way of River's tables.
func actorIsKnown(actor string) bool {
	if actor == "local" || actor == "river" {
		return true
	}
	for _, kind := range []string{"token:", "replica:", "worker:", "reconcile:", "db:"} {
		if name, ok := strings.CutPrefix(actor, kind); ok {
			return name != ""
		}
	}
	return false
}

// byHand is a change that somebody made in psql: what it does not keep, it need not.
func (t *transition) byHand() bool { return strings.HasPrefix(t.Actor, "db:") || t.Cause == "manual" }

// reported says that the attempt's own worker told its end.
func (t *transition) reported() bool {
	return strings.HasPrefix(t.Actor, "replica:") || strings.HasPrefix(t.Actor, "worker:")
}

// counts says that the end of an attempt is a failure that the retry policy counts.
func (t *transition) counts() bool {
	if t.From != "running" || t.byHand() {
		return false
	}
	switch t.Cause {
	case "handed_back", "claim_expired", "run_timeout", "unconfirmed":
		return false
	}
	switch t.To {
	case "failed", "crashed", "timed_out", "lost", "retrying", "waiting":
		return true
	}
	return false
}

// outcome is how the attempt that a transition ended did end; empty: it was handed back.
func (t *transition) outcome() string {
	switch {
	case t.Cause == "handed_back" || t.Cause == "claim_expired":
		return ""
	case t.To == "retrying" || t.To == "waiting":
		return t.Outcome
	}
	return t.To
}

// ownWord says that an attempt ended because its handler or command ended, and that its worker said so: nothing of it
// was left behind. Others were ended by the database, or abandoned by their worker (a handler that ignores its context
// cannot be ended), or killed with it.
func (t *transition) ownWord() bool {
	return t.reported() && t.Cause != "abandoned" && (t.outcome() == "succeeded" || t.outcome() == "failed")
}

// badly: the step ended in a failure, allowed or not.
func (s *step) badly() bool {
	switch s.State {
	case "failed", "crashed", "timed_out", "lost", "cancelled":
		return true
	case "skipped":
		return s.Cause == "upstream_failed"
	}
	return false
}

// What a step's end is to those that need it.
const (
	notOver = iota
	success
	failure
	allowed // a failure with allow_failure: a success
	neutral
)

func (s *step) end() int {
	switch {
	case !stepIsFinal(s.State):
		return notOver
	case s.State == "succeeded":
		return success
	case s.badly() && s.AllowFailure:
		return allowed
	case s.badly():
		return failure
	}
	return neutral
}

func compare[V cmp.Ordered](a, b V) int { return cmp.Compare(a, b) }

// sorted are the keys of a map in order, so that a verdict is the same twice.
func sorted[K comparable, V any](m map[K]V, order func(a, b K) int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, order)
	return keys
}

func comparePlaces(a, b place) int {
	return cmp.Or(slices.Compare(a.run[:], b.run[:]), cmp.Compare(a.step, b.step))
}
