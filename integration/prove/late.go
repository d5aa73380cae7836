//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// repaired says whether a replica tells of something that its sweep had to put right although nobody but Weir writes
// it: then a trigger was lost, or a count was wrong.
func repaired(msg string) bool {
	return slices.ContainsFunc([]string{
		"are repaired", "is repaired", "and nobody had done it", "reconcile was not told of something", "a run is set aside",
	}, func(part string) bool { return strings.Contains(msg, part) })
}

// noteLate adds to the ledger what the replicas were told of their late reports, as they have logged it since the last
// time, and looks for what they had to repair.
func (p *proof) noteLate() error {
	files, err := filepath.Glob(filepath.Join(p.cluster.Dir, "*.stderr"))
	for _, file := range files {
		if err == nil {
			err = p.noteLateOf(file)
		}
	}
	return err
}

func (p *proof) noteLateOf(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the log of a replica: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if _, err := file.Seek(p.logsRead[path], io.SeekStart); err != nil {
		return fmt.Errorf("read the log of a replica: %w", err)
	}
	lines := bufio.NewReader(file)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what has no end yet is read the next time
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log of a replica: %w", err)
		}
		p.logsRead[path] += int64(len(text))
		var line struct {
			Msg     string
			Run     uuid.UUID
			Step    string
			Attempt int
			Result  string
		}
		if json.Unmarshal(text, &line) != nil {
			continue // torn by a kill
		}
		if repaired(line.Msg) {
			p.violate(check.Violation{Rule: "reconcile-had-forgotten", Run: line.Run, Step: line.Step, What: fmt.Sprintf("%s: %s", filepath.Base(path), bytes.TrimSpace(text))})
		}
		if line.Msg != "the report changed nothing" {
			continue
		}
		err = p.ledger.Note(ledger.Entry{
			What: ledger.Late, Run: line.Run, Step: line.Step, Attempt: line.Attempt, Replica: filepath.Base(path)[:2], Note: line.Result,
		})
		if err != nil {
			return err
		}
	}
}
