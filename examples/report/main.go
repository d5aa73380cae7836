// The report step of examples/ci.yaml: it reads what kind exec gives to every command, and says how the checks went.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// input is what a command finds on stdin, unless its step says otherwise.
type input struct {
	// Needs has the outputs of the steps that this one needs; null: it has none.
	Needs map[string]*check `json:"needs"`
}

// check is the output of the steps that build or test.
type check struct {
	Packages int `json:"packages"`
}

// summary is the output of this step.
type summary struct {
	OK     bool              `json:"ok"`
	Tested int               `json:"tested"` // packages
	States map[string]string `json:"states"`
}

func main() {
	if err := report(os.Stdin, os.Stdout, os.Getenv("STATES"), os.Getenv("WEIR_OUTPUT")); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// report writes a line for each check, and the summary into a file. states is "KEY=STATE …".
func report(stdin io.Reader, stdout io.Writer, states, file string) error {
	var in input
	if err := json.NewDecoder(stdin).Decode(&in); err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	sum := summary{OK: true, States: map[string]string{}}
	for pair := range strings.FieldsSeq(states) {
		key, state, _ := strings.Cut(pair, "=")
		sum.States[key] = state
		sum.OK = sum.OK && state == "succeeded"
		line := fmt.Sprintf("%-10s %s", key, state)
		if out := in.Needs[key]; out != nil {
			line += fmt.Sprintf(", %d packages", out.Packages)
			if strings.HasPrefix(key, "test-") {
				sum.Tested += out.Packages
			}
		}
		fmt.Fprintln(stdout, line)
	}
	raw, err := json.Marshal(sum)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return os.WriteFile(file, raw, 0o600)
}
