//go:build linux

package check

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ackedRunMissing: what was promised exists.
func ackedRunMissing(h *history, say sayer) {
	told := map[uuid.UUID]bool{}
	for _, a := range h.Acks {
		if h.run[a.Run] == nil && !told[a.Run] {
			told[a.Run] = true
			say(place{a.Run, 0}, "it was acknowledged (plan %s, Idempotency-Key %q), and is not there", a.Name, a.Key)
		}
	}
}

// ackedRunNotFinal: what was promised ends.
func ackedRunNotFinal(h *history, say sayer) {
	for _, id := range h.acked() {
		if r := h.run[id]; r != nil && !runIsFinal(r.State) {
			open := ""
			for _, s := range h.stepsOf[id] {
				if !stepIsFinal(s.State) && len(open) < 200 {
					open += " " + s.Key + "=" + s.State
				}
			}
			say(place{id, 0}, "it was acknowledged, and is %s:%s", r.State, open)
		}
	}
}

// acked are the runs that were acknowledged, once each, in order.
func (h *history) acked() []uuid.UUID {
	ids := map[uuid.UUID]bool{}
	for _, a := range h.Acks {
		ids[a.Run] = true
	}
	return sorted(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
}

// ackNamesAnotherRun: the run of an Idempotency-Key is the one that its acknowledgements name. (A run with a key of its
// own may be the answer to many.)
func ackNamesAnotherRun(h *history, say sayer) {
	by := map[string][]uuid.UUID{}
	for i := range h.runs {
		if r := &h.runs[i]; r.IdempotencyKey != "" {
			by[r.IdempotencyKey] = append(by[r.IdempotencyKey], r.ID)
		}
	}
	for _, a := range h.Acks {
		r := h.run[a.Run]
		if a.Key == "" || r == nil || r.Key != "" {
			continue
		}
		if r.IdempotencyKey != a.Key {
			say(place{a.Run, 0}, "it was acknowledged under the Idempotency-Key %q, and has %q", a.Key, r.IdempotencyKey)
		}
		if there := by[a.Key]; len(there) > 0 && !slices.Contains(there, a.Run) {
			say(place{a.Run, 0}, "it was acknowledged under the Idempotency-Key %q, which is that of run %s", a.Key, there[0])
		}
	}
}

// keyWasAckedWithTwoRuns: every acknowledgement of an Idempotency-Key names the same run, in a batch at each place.
func keyWasAckedWithTwoRuns(h *history, say sayer) {
	type promise struct {
		key string
		nth int
	}
	first := map[promise]uuid.UUID{}
	for _, a := range h.Acks {
		if a.Key == "" {
			continue
		}
		if r := h.run[a.Run]; r != nil && r.Key != "" {
			continue // the live run of its key answers whoever asks
		}
		at := promise{a.Key, a.Nth}
		if was, known := first[at]; known && was != a.Run {
			say(place{a.Run, 0}, "the Idempotency-Key %q was acknowledged with run %s before", a.Key, was)
		} else {
			first[at] = a.Run
		}
	}
}

// runExistsTwice: one run for each id, and for each Idempotency-Key in its scope.
func runExistsTwice(h *history, say sayer) {
	ids, keys := map[uuid.UUID]bool{}, map[[2]string]uuid.UUID{}
	for i := range h.runs {
		r := &h.runs[i]
		if ids[r.ID] {
			say(place{r.ID, 0}, "there are two rows of it")
		}
		ids[r.ID] = true
		if r.IdempotencyKey == "" {
			continue
		}
		key := [2]string{r.Scope, r.IdempotencyKey}
		if other, there := keys[key]; there {
			say(place{r.ID, 0}, "run %s has the same Idempotency-Key %q in the same scope %q", other, r.IdempotencyKey, r.Scope)
		}
		keys[key] = r.ID
	}
}

// runWasNotAskedFor: somebody asked for each run, or something that somebody asked for.
func runWasNotAskedFor(h *history, say sayer) {
	asked, acked := map[string]bool{}, map[uuid.UUID]bool{}
	for _, k := range h.Asked {
		asked[k] = true
	}
	for _, a := range h.Acks {
		acked[a.Run] = true
		asked[a.Key] = true
	}
	for i := range h.runs {
		r := &h.runs[i]
		switch {
		case acked[r.ID], r.RerunOf != uuid.Nil && h.run[r.RerunOf] != nil, r.Scheduled, r.Key != "":
		case r.IdempotencyKey != "" && (asked[r.IdempotencyKey] || h.Asked == nil):
		case r.ParentRun != uuid.Nil && h.step[place{r.ParentRun, r.ParentStep}] != nil && h.step[place{r.ParentRun, r.ParentStep}].Expects == "run":
		default:
			say(place{r.ID, 0}, "nobody asked for it: plan %s, Idempotency-Key %q, child of run %s, rerun of %s", r.Name, r.IdempotencyKey, r.ParentRun, r.RerunOf)
		}
	}
}

// seenTransitionMissing: history that was once visible stays as it was.
func seenTransitionMissing(h *history, say sayer) {
	there := make(map[int64]*transition, len(h.transitions))
	for i := range h.transitions {
		there[h.transitions[i].ID] = &h.transitions[i]
	}
	for _, m := range h.Moves {
		at := place{m.Run, m.Ordinal}
		t := there[m.ID]
		switch {
		case t == nil:
			say(at, "transition %d, %s to %s (%s by %s), was seen and is not there", m.ID, m.From, m.To, m.Cause, m.Actor)
		case *t != transition{m.ID, m.Run, m.Ordinal, m.Attempt, m.From, m.To, m.Actor, m.Cause, t.Outcome}:
			say(at, "transition %d was seen as %s to %s (%s by %s, attempt %d), and is %s to %s (%s by %s, attempt %d)",
				m.ID, m.From, m.To, m.Cause, m.Actor, m.Attempt, t.From, t.To, t.Cause, t.Actor, t.Attempt)
		}
	}
}

// finalRowMissing: what was seen final is still there.
func finalRowMissing(h *history, say sayer) {
	for _, s := range h.Snapshots {
		at := place{s.Run, s.Step}
		if s.Step == 0 && h.run[s.Run] == nil || s.Step > 0 && h.step[at] == nil {
			say(at, "it was seen final, and is not there: %s", s.Row)
		}
	}
}

// finalRowChanged: final is final, for all but bookkeeping.
func finalRowChanged(h *history, say sayer) {
	now := make(map[place]json.RawMessage, len(h.kept))
	for _, k := range h.kept {
		now[place{k.Run, k.Step}] = k.Row
	}
	for _, s := range h.Snapshots {
		at := place{s.Run, s.Step}
		if row, final := now[at]; final {
			if diff := difference(s.Row, row); diff != "" {
				say(at, "it was final, and has changed: %s", diff)
			}
			continue
		}
		if r := h.run[s.Run]; s.Step == 0 && r != nil {
			say(at, "it was final, and is %s: %s", r.State, s.Row)
		} else if x := h.step[at]; s.Step > 0 && x != nil {
			say(at, "it was final, and is %s: %s", x.State, s.Row)
		}
	}
}

// difference names the columns in which two rows differ. Only what both have is compared, and not what the guards let
// change in a final row: that its end was counted, its counts of needs, and how often a heartbeat did not name it.
func difference(was, is json.RawMessage) string {
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(was, &before); err != nil {
		return "the snapshot is no object: " + err.Error()
	}
	if err := json.Unmarshal(is, &after); err != nil {
		return "the row is no object: " + err.Error()
	}
	var diff []string
	for _, column := range slices.Sorted(maps.Keys(before)) {
		switch column {
		case "settled", "unnamed", "needs_open", "needs_failed", "needs_allowed", "needs_neutral":
			continue
		}
		if value, there := after[column]; there && !bytes.Equal(compact(before[column]), compact(value)) {
			diff = append(diff, column+" was "+string(before[column])+" and is "+string(value))
		}
	}
	return strings.Join(diff, ", ")
}

func compact(value json.RawMessage) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return value
	}
	return b.Bytes()
}
