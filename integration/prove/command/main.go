//go:build linux

// Command command is what steps of kind exec run. Its arguments are what attempt 1, 2, … does, the last one says it for
// all that come after:
//
//	ok:MS[:OUTPUT]   works so long and succeeds, with OUTPUT file (default), stdout or none
//	fail:MS:CODE     … ends with the code
//	signal:MS:NUMBER … dies by the signal (one that Go leaves alone: 1, 2, 9)
//	ignore:MS        … ignoring TERM, and succeeds: whoever is quicker kills it
//	fork:MS:CHILD    … succeeds, and leaves a process of its group behind that would live for CHILD ms
//
// It notes in the ledger of the directory CLUSTER_LEDGER when it starts and when it ends, also by TERM. What KILL ends
// has no end. Without the ledger it ends with the code 70.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

const (
	noLedger = 70  // exit code: the ledger cannot be written to
	misused  = 64  // exit code: the arguments are wrong
	byTerm   = 143 // exit code: TERM came
)

const child = "child" // what the process that is left behind is told

func main() {
	if len(os.Args) == 3 && os.Args[1] == child {
		<-time.After(ms(os.Args[2]))
		return
	}
	os.Exit(run(os.Args[1:]))
}

// execution is one attempt.
type execution struct {
	book *ledger.Writer
	of   ledger.Entry
}

func run(acts []string) int {
	attempt, err := strconv.Atoi(os.Getenv("WEIR_ATTEMPT"))
	id, err2 := uuid.Parse(os.Getenv("WEIR_RUN"))
	if err != nil || err2 != nil || attempt < 1 || len(acts) == 0 {
		fmt.Fprintln(os.Stderr, "command: nothing to do, or no step of a run")
		return misused
	}
	book, err := ledger.Open(os.Getenv("CLUSTER_LEDGER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "command:", err)
		return noLedger
	}
	e := &execution{book: book, of: ledger.Entry{Run: id, Step: os.Getenv("WEIR_STEP"), Attempt: attempt, Replica: os.Getenv("CLUSTER_REPLICA")}}
	word := acts[min(attempt, len(acts))-1]
	term := make(chan os.Signal, 1)
	if strings.HasPrefix(word, "ignore:") {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(term, syscall.SIGTERM)
	}
	if !e.note(ledger.Start, "exec "+word) {
		return noLedger
	}
	code, how := e.do(strings.Split(word, ":"), term)
	if !e.note(ledger.End, how) {
		return noLedger
	}
	if sig, dies := strings.CutPrefix(how, "signal "); dies {
		number, _ := strconv.Atoi(sig) // 0 does nothing, and the code tells
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
		<-time.After(time.Second)
	}
	return code
}

// do is the work. It answers the code to end with, and how it went.
func (e *execution) do(word []string, term <-chan os.Signal) (code int, how string) {
	word = append(word, "", "")
	if word[0] == "fork" {
		left := &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}}
		if _, err := os.StartProcess(os.Args[0], []string{os.Args[0], child, word[2]}, left); err != nil {
			return misused, "no child: " + err.Error()
		}
	}
	fmt.Fprintln(os.Stderr, "at it")
	select {
	case <-time.After(ms(word[1])):
	case <-term:
		return byTerm, "TERM"
	}
	switch word[0] {
	case "ok", "ignore", "fork":
		if err := output(word[2]); err != nil {
			return misused, err.Error()
		}
		return 0, "ok"
	case "fail":
		code, _ = strconv.Atoi(word[2])
		return code, "code " + word[2]
	case "signal":
		return misused, "signal " + word[2]
	}
	return misused, "nothing known"
}

// output gives the step its output.
func output(to string) error {
	const text = `{"list": [0, 1], "n": 2, "text": "exec"}`
	switch to {
	case "none":
		return nil
	case "stdout":
		_, err := fmt.Fprintln(os.Stdout, text)
		return err
	}
	return os.WriteFile(os.Getenv("WEIR_OUTPUT"), []byte(text), 0o600)
}

func (e *execution) note(what, how string) bool {
	entry := e.of
	entry.What, entry.Note = what, how
	if err := e.book.Note(entry); err != nil {
		fmt.Fprintln(os.Stderr, "command:", err)
		return false
	}
	return true
}

func ms(text string) time.Duration {
	n, _ := strconv.Atoi(text) // what is no number takes no time
	return time.Duration(n) * time.Millisecond
}
