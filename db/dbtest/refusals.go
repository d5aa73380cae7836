package dbtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// refusals remembers, for the test processes of one "go test", which sources do not work and why.
type refusals struct {
	Reasons map[string]string `json:"reasons"`

	path string
}

// refusalsFor is how long a note counts at most: process ids come back.
const refusalsFor = 15 * time.Minute

// loadRefusals reads what others of the same parent process have found out. What cannot be read was not.
func loadRefusals(dir string, parent int) *refusals {
	r := &refusals{path: filepath.Join(dir, fmt.Sprintf("refused-%d.json", parent))}
	old, err := filepath.Glob(filepath.Join(dir, "refused-*.json"))
	if err != nil {
		old = nil // the pattern is well-formed
	}
	for _, path := range old {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > refusalsFor {
			_ = os.Remove(path) // then the next one will
		}
	}
	if content, err := os.ReadFile(r.path); err == nil {
		_ = json.Unmarshal(content, r)
	}
	if r.Reasons == nil {
		r.Reasons = make(map[string]string)
	}
	return r
}

// save writes what is known now.
func (r *refusals) save() error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note what does not work: %w", err)
	}
	if err := os.WriteFile(r.path, content, 0o600); err != nil {
		return fmt.Errorf("note what does not work: %w", err)
	}
	return nil
}

// ownDir makes a directory that only we write to, and refuses one that is somebody else's.
func ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil && !os.IsExist(err) {
		return fmt.Errorf("make a directory for the test server: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("make a directory for the test server: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || ok && int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a directory that only this user writes to", dir)
	}
	return nil
}
