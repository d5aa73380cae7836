//go:build linux

package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// File is the name of the ledger in its directory.
const File = "executions.jsonl"

// What an Entry tells.
const (
	Start  = "start"  // an execution began
	End    = "end"    // it ended, as Note says
	Late   = "late"   // a replica was told that the report of an attempt came too late
	Killed = "killed" // a replica was killed with -9: what it ran has no end
)

// Entry is one line.
type Entry struct {
	At      time.Duration `json:"at"` // see Now
	What    string        `json:"what"`
	Run     uuid.UUID     `json:"run,omitzero"`
	Step    string        `json:"step,omitempty"` // its key
	Attempt int           `json:"attempt,omitempty"`
	Replica string        `json:"replica,omitempty"`
	PID     int           `json:"pid,omitempty"`
	Note    string        `json:"note,omitempty"`
}

// Now is the time since the machine was started, by a clock that all its processes share and that nobody's wrong clock
// changes.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // there is no Linux without it
	}
	return time.Duration(ts.Nano())
}

// Writer appends to a ledger. It may be used concurrently, and by many processes at once: an entry is one write.
type Writer struct{ file *os.File }

// Open opens the ledger of a directory, and makes it if need be.
func Open(dir string) (*Writer, error) {
	file, err := os.OpenFile(filepath.Join(dir, File), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &Writer{file: file}, nil
}

// Note writes an entry. At and PID are filled in if they are zero.
func (w *Writer) Note(e Entry) error {
	if e.At == 0 {
		e.At = Now()
	}
	if e.PID == 0 {
		e.PID = os.Getpid()
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = w.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	return nil
}

// Close ends writing.
func (w *Writer) Close() error { return w.file.Close() }

// Read reads the ledger of a directory, in the order in which it was written. A last line that is not whole is left
// out: its writer was killed, or writes it just now.
func Read(dir string) ([]Entry, error) {
	text, err := os.ReadFile(filepath.Join(dir, File))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	var entries []Entry
	number := 0
	for line := range bytes.Lines(text) {
		number++
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read the ledger: line %d: %w", number, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
