//go:build linux

package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

// Evidence is what is known of a cluster's life beside its tables. What is missing is not checked.
type Evidence struct {
	Ledger    []ledger.Entry
	Acks      []Ack
	Asked     []string // every Idempotency-Key that was sent, also without an answer; nil: any key may have been
	Snapshots []Snapshot
	Samples   []Sample
	Moves     []Move
	Forgotten []Forgotten
}

// Snapshot is a row as it was when it was first seen final.
type Snapshot struct {
	Run  uuid.UUID       `json:"run"`
	Step int             `json:"step"` // its ordinal; 0: the run itself
	Seen time.Duration   `json:"seen"` // as ledger.Now tells it
	Row  json.RawMessage `json:"row"`
}

// Sample is the most that was seen of a limit's key in one snapshot of the database.
type Sample struct {
	At           time.Duration `json:"at"`
	Key          string        `json:"key"`                    // of weir.limits: also ~run/ID, ~each/ID/STEP and ~key/KEY
	Held         int           `json:"held"`                   // how many hold a slot
	Running      int           `json:"running"`                // how many steps under the key were running
	Administered int           `json:"administered,omitempty"` // what somebody set the limit to; 0: nobody
}

// Move is a transition as the Watcher saw it.
type Move struct {
	ID      int64         `json:"id"` // of weir.transitions
	Run     uuid.UUID     `json:"run"`
	Step    string        `json:"step,omitempty"` // its key; empty: the run's own
	Ordinal int           `json:"ordinal,omitempty"`
	Attempt int           `json:"attempt,omitempty"`
	From    string        `json:"from"`
	To      string        `json:"to"`
	Cause   string        `json:"cause"`
	Actor   string        `json:"actor"`
	Seen    time.Duration `json:"seen"` // as ledger.Now tells it: no earlier than its commit
}

const (
	ledgerFile    = "checked-executions.jsonl" // another name than the ledger's own: that may still be written to
	acksFile      = "acks.jsonl"
	askedFile     = "asked.jsonl"
	snapshotsFile = "snapshots.jsonl"
	samplesFile   = "samples.jsonl"
	movesFile     = "moves.jsonl"
	forgottenFile = "forgotten.jsonl"
)

// Save writes the evidence into a directory, which it makes.
func (e Evidence) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save the evidence: %w", err)
	}
	err := errors.Join(
		save(dir, ledgerFile, e.Ledger), save(dir, acksFile, e.Acks), save(dir, askedFile, e.Asked),
		save(dir, snapshotsFile, e.Snapshots), save(dir, samplesFile, e.Samples), save(dir, movesFile, e.Moves),
		save(dir, forgottenFile, e.Forgotten),
	)
	if err != nil {
		return fmt.Errorf("save the evidence: %w", err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(dir string) (Evidence, error) {
	var e Evidence
	err := errors.Join(
		load(dir, ledgerFile, &e.Ledger), load(dir, acksFile, &e.Acks), load(dir, askedFile, &e.Asked),
		load(dir, snapshotsFile, &e.Snapshots), load(dir, samplesFile, &e.Samples), load(dir, movesFile, &e.Moves),
		load(dir, forgottenFile, &e.Forgotten),
	)
	if err != nil {
		return Evidence{}, fmt.Errorf("load the evidence: %w", err)
	}
	return e, nil
}

// save writes a JSON line for each; nil makes no file.
func save[V any](dir, name string, all []V) error {
	if all == nil {
		return nil
	}
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	to := bufio.NewWriter(file)
	lines := json.NewEncoder(to)
	for _, one := range all {
		if err = lines.Encode(one); err != nil {
			break
		}
	}
	return errors.Join(err, to.Flush(), file.Close())
}

func load[V any](dir, name string, into *[]V) error {
	file, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	*into = []V{}
	lines := json.NewDecoder(bufio.NewReader(file))
	for {
		var one V
		err := lines.Decode(&one)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, entry %d: %w", name, len(*into)+1, err)
		}
		*into = append(*into, one)
	}
}
