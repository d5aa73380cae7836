package process

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Arg is the argument that makes the binary a guard.
const Arg = "__exec"

// The file descriptors of a guard beside the command's standard ones.
const (
	controlFD = 3 // read: the order, then words until the replica closes it or dies
	resultFD  = 4 // write: notices
)

// order is the first line on the control pipe: what to run. What the system takes as bytes travels as bytes.
type order struct {
	Command [][]byte      `json:"command"`
	Env     [][]byte      `json:"env"`
	Root    []byte        `json:"root"`
	Dir     []byte        `json:"dir"`
	Grace   time.Duration `json:"grace"`   // when the pipe ends
	Scratch []byte        `json:"scratch"` // removed in the end, when the pipe ended
}

func toBytes(list []string) [][]byte {
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = []byte(s)
	}
	return out
}

func toStrings(list [][]byte) []string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = string(b)
	}
	return out
}

// notice is a line on the result pipe. The first has Pid or NotStarted, the last Exited.
type notice struct {
	Pid        int    `json:"pid,omitempty"`
	NotStarted string `json:"not_started,omitempty"`
	Exited     bool   `json:"exited,omitempty"`
	ExitCode   int    `json:"exit_code"`
	Signal     string `json:"signal,omitempty"`
	Stopped    bool   `json:"stopped,omitempty"` // TERM was sent before the command ended
	Killed     bool   `json:"killed,omitempty"`  // KILL was sent before the command ended
}

func writeLine(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	if _, err := w.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}

// The words on the control pipe after the order: stop with its patience in milliseconds, 0 kills at once.
func stopWord(killAfter time.Duration) string {
	return "stop " + strconv.FormatInt(max(killAfter.Milliseconds(), 0), 10) + "\n"
}

func parseStop(line string) (time.Duration, bool) {
	ms, ok := strings.CutPrefix(strings.TrimSpace(line), "stop ")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(ms, 10, 64)
	return time.Duration(n) * time.Millisecond, err == nil
}
