//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// faketime is the path of Debian's libfaketime. It is the variant without locks: a process of PostgreSQL has one thread,
// and reads the clock in signal handlers too.
func faketime() (string, error) {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err == nil && len(found) == 0 {
		err = errors.New("there is no libfaketime here (apt-get install faketime)")
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// clock is the clock of a server.
type clock struct {
	library string
	file    string // what it says to libfaketime
}

// newClock makes a clock that is right, which it keeps in a directory.
func newClock(dir string) (*clock, error) {
	library, err := faketime()
	if err != nil {
		return nil, err
	}
	c := &clock{library: library, file: filepath.Join(dir, "clock")}
	return c, c.set(0)
}

// env is what a process needs that is to have the clock.
func (c *clock) env() []string {
	return []string{
		"LD_PRELOAD=" + c.library,
		"FAKETIME_TIMESTAMP_FILE=" + c.file,
		"FAKETIME_NO_CACHE=1",            // read at every look: it is the same for all processes
		"FAKETIME_DONT_FAKE_MONOTONIC=1", // intervals are as long as they are
		"NO_FAKE_STAT=1",                 // files are as old as they are
	}
}

// set sets the clock, for everybody at once.
func (c *clock) set(offset time.Duration) error {
	text := fmt.Sprintf("%+.6f", offset.Seconds())
	if err := os.WriteFile(c.file+".new", []byte(text+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(c.file+".new", c.file)
}

// clear removes what libfaketime shares between processes, and does not remove itself when the first is killed.
func (c *clock) clear(pid int) {
	for _, name := range []string{"sem.faketime_sem_", "faketime_shm_"} {
		_ = os.Remove("/dev/shm/" + name + strconv.Itoa(pid))
	}
}
