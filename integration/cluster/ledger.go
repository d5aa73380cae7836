//go:build linux

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

const (
	ledgerFile = "ledger"
	workFile   = "work.sh"
)

// workScript notes in the ledger when it starts and ends, holds a lock meanwhile, which is its children's too, and
// notes if somebody else has it: then the step runs twice at once. Its argument says what it does: "for SECONDS",
// "until FILE" (of the ledger's directory), "stubborn FILE" (the same, and TERM is ignored), "fail CODE" or "wait COUNT"
// (until that many steps of its run have started).
const workScript = `#!/bin/sh
cd "$CLUSTER_LEDGER" || exit 1
note() { echo "$1 $WEIR_RUN $WEIR_STEP $WEIR_ATTEMPT $CLUSTER_REPLICA" >>ledger; }
exec 9>>"lock.$WEIR_RUN.$WEIR_STEP"
flock -n 9 || { note overlap; exit 1; }
test "$1" = stubborn && trap '' TERM
note start
case $1 in
for) sleep "$2" ;;
until | stubborn) until test -e "$2"; do sleep 0.05; done ;;
fail) note end; exit "$2" ;;
wait) until test "$(grep -c "^start $WEIR_RUN " ledger)" -ge "$2"; do sleep 0.05; done ;;
*) exit 64 ;;
esac
note end
`

// writeWork makes the script and the ledger, for every user to write.
func (c *Cluster) writeWork() {
	c.t.Helper()
	err := os.WriteFile(filepath.Join(c.Dir, workFile), []byte(workScript), 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.Dir, ledgerFile), nil, 0o666)
	}
	if err != nil {
		c.t.Fatalf("make the ledger: %v", err)
	}
}

// Work is the `with` of a step of kind exec that notes in the ledger what really ran: "for SECONDS", "until FILE",
// "stubborn FILE", "fail CODE", "wait COUNT"; see workScript.
func (c *Cluster) Work(do ...string) string {
	command := []string{strconv.Quote(filepath.Join(c.Dir, workFile))}
	for _, word := range do {
		command = append(command, strconv.Quote(word))
	}
	return "{command: [" + strings.Join(command, ", ") + "]}"
}

// Entry is a line of the ledger.
type Entry struct {
	What    string // start, end, or overlap: it ran twice at once
	Run     uuid.UUID
	Step    string
	Attempt string
	Replica string // the Name of the Process
}

// Ledger is what was noted so far, in order.
func (c *Cluster) Ledger() []Entry {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, ledgerFile))
	if err != nil {
		c.t.Fatalf("read the ledger: %v", err)
	}
	var entries []Entry
	for line := range strings.Lines(string(text)) {
		var e Entry
		var run string
		if _, err := fmt.Sscan(line, &e.What, &run, &e.Step, &e.Attempt, &e.Replica); err != nil {
			continue // it is just being written
		}
		if e.Run, err = uuid.Parse(run); err != nil {
			c.t.Fatalf("read the ledger: %v", err)
		}
		entries = append(entries, e)
	}
	return entries
}

// Noted says whether the ledger has a line like that; what is "" or zero matches everything.
func (c *Cluster) Noted(like Entry) bool {
	c.t.Helper()
	return slices.ContainsFunc(c.Ledger(), func(e Entry) bool {
		return (like.What == "" || like.What == e.What) && (like.Run == uuid.Nil || like.Run == e.Run) &&
			(like.Step == "" || like.Step == e.Step) && (like.Attempt == "" || like.Attempt == e.Attempt) &&
			(like.Replica == "" || like.Replica == e.Replica)
	})
}

// NeverTwice fails the test if any step ran twice at once, or any attempt more than once.
func (c *Cluster) NeverTwice() {
	c.t.Helper()
	seen := map[Entry]bool{}
	for _, e := range c.Ledger() {
		if e.What == "overlap" {
			c.t.Fatalf("step %s of run %s ran twice at once: attempt %s in process %s began while another one lived", e.Step, e.Run, e.Attempt, e.Replica)
		}
		e.Replica = ""
		if seen[e] {
			c.t.Fatalf("attempt %s of step %s of run %s ran more than once", e.Attempt, e.Step, e.Run)
		}
		seen[e] = true
	}
}

// Touch makes a file in the ledger's directory: steps that wait for it go on.
func (c *Cluster) Touch(name string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, name), nil, 0o644); err != nil {
		c.t.Fatalf("touch %s: %v", name, err)
	}
}
