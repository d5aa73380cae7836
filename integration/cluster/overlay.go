//go:build linux

package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// overlay writes the sources that differ into a directory and returns the file that tells the go command of them, "" if
// there are none.
func (b Build) overlay(dir string) (string, error) {
	if !b.Clock && b.Version == "" {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	o := overlay{dir: dir, Replace: map[string]string{}}
	if b.Clock {
		root, err := goTool("env", "GOROOT")
		if err != nil {
			return "", err
		}
		source := filepath.Join(root, "src", "time")
		if err := o.edit(filepath.Join(source, "time.go"), clockCall, clockMoved); err != nil {
			return "", err
		}
		if err := o.add(filepath.Join(source, "weirfault.go"), clockSource); err != nil {
			return "", err
		}
	}
	if b.Version != "" {
		replica, err := goTool("list", "-f", "{{.Dir}}", "github.com/weirqueue/weir/replica")
		if err != nil {
			return "", err
		}
		if err := o.edit(filepath.Join(replica, "build.go"), versionRead, fmt.Sprintf(versionTold, strconv.Quote(b.Version))); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o644)
}

// overlay is what go build -overlay reads: files, and what is compiled in their place.
type overlay struct {
	Replace map[string]string

	dir string
}

// edit has a source compiled with a piece of its text replaced, which must be there once.
func (o overlay) edit(file, before, after string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(text), before) != 1 {
		return fmt.Errorf("%s is not as expected: it should have, once: %q", file, before)
	}
	return o.add(file, strings.Replace(string(text), before, after, 1))
}

// add has a source compiled as if it were at file.
func (o overlay) add(file, text string) error {
	instead := filepath.Join(o.dir, fmt.Sprintf("%d.go", len(o.Replace)))
	o.Replace[file] = instead
	return os.WriteFile(instead, []byte(text), 0o644)
}

// What is replaced where the version is read.
const (
	versionRead = "b := Build{Version: info.Main.Version}"
	versionTold = "b := Build{Version: %s}"
)

// What is replaced in package time of the toolchain, and a file that is added to it.
const (
	clockCall   = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	clockMoved  = "func Now() Time {\n\tsec, nsec, mono := faultNow()\n"
	clockSource = `package time

import "syscall"

// faultClock is by how much the wall clock is off.
var faultClock = func() Duration {
	text, ok := syscall.Getenv("` + EnvClock + `")
	if !ok {
		return 0
	}
	d, err := ParseDuration(text)
	if err != nil {
		panic("` + EnvClock + `: " + err.Error())
	}
	return d
}()

// faultNow is runtimeNow with a wall clock that is off.
func faultNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	sec += int64(faultClock / Second)
	nsec += int32(faultClock % Second)
	switch {
	case nsec < 0:
		sec, nsec = sec-1, nsec+1e9
	case nsec >= 1e9:
		sec, nsec = sec+1, nsec-1e9
	}
	return sec, nsec, mono
}
`
)
