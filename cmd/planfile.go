package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// maxPlanFile bounds what is read of a file, in bytes: a little more than a plan may have.
const maxPlanFile = 32<<20 + 1

// planFile is a text with a plan.
type planFile struct {
	name string // as people know it
	text []byte
}

// readPlanFile reads a file, or stdin for "-".
func readPlanFile(name string, stdin io.Reader) (planFile, error) {
	if name == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, maxPlanFile))
		if err != nil {
			return planFile{}, fmt.Errorf("read stdin: %w", err)
		}
		return planFile{name: "stdin", text: text}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return planFile{}, &failure{what: "the file cannot be read: " + fileReason(err), try: "the path of a file, or - for stdin", err: err}
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPlanFile))
	if err != nil {
		return planFile{}, &failure{what: "the file cannot be read: " + fileReason(err), try: "the path of a file, or - for stdin", err: err}
	}
	return planFile{name: name, text: text}, nil
}

// check parses the plan. The error is a *planError, with everything that is wrong.
func (f planFile) check() (*plan.Plan, error) {
	parsed, err := plan.Parse(f.text)
	if err != nil {
		return nil, f.refuse(err)
	}
	return parsed, nil
}

// withInput gives the plan as JSON, with the input that the command line has for it. input may be nil.
func (f planFile) withInput(input *planFile, sets []string) (json.RawMessage, error) {
	if _, err := f.check(); err != nil {
		return nil, err
	}
	text, err := f.override(input, sets)
	if err != nil {
		return nil, err
	}
	if input != nil || len(sets) > 0 {
		if _, err := plan.ParseJSON(text); err != nil {
			return nil, planFile{name: f.name + " with this input"}.refuse(withoutLines(err))
		}
	}
	return text, nil
}

// override gives the text as JSON, with that input. input may be nil.
func (f planFile) override(input *planFile, sets []string) (json.RawMessage, error) {
	var replacement []byte
	if input != nil {
		if _, err := plan.JSON(input.text); err != nil {
			return nil, input.refuse(err)
		}
		replacement = append([]byte{}, input.text...)
	}
	for _, set := range sets {
		if name, _, ok := strings.Cut(set, "="); !ok || name == "" {
			return nil, &usageError{what: "--input is KEY=VALUE", try: "--input day=2026-05-04"}
		}
	}
	text, err := plan.Override(f.text, replacement, sets)
	if err != nil {
		return nil, &usageError{what: err.Error(), try: "--input-file with an object, in YAML or JSON"}
	}
	return text, nil
}

// planError is a plan that cannot be submitted: exit code 2.
type planError struct {
	file   planFile
	faults plan.Faults
}

// Error lists the faults, one a line.
func (e *planError) Error() string {
	lines := []string{e.file.name + " has " + counted(len(e.faults), "fault")}
	return strings.Join(append(lines, e.lines()...), "\n")
}

// Try is the command that helps.
func (e *planError) Try() string { return "weir plan schema" }

func (e *planError) lines() []string {
	lines := make([]string, len(e.faults))
	for i, fault := range e.faults {
		lines[i] = faultLine(e.file.name, fault.Line, fault.Path, fault.Message)
	}
	return lines
}

// refuse is the error of a text that was looked at.
func (f planFile) refuse(err error) error {
	var faults plan.Faults
	var syntax *plan.SyntaxError
	switch {
	case errors.As(err, &faults):
		return &planError{file: f, faults: faults}
	case errors.As(err, &syntax):
		return &planError{file: f, faults: plan.Faults{{Line: syntax.Line, Message: syntax.Message}}}
	}
	return fmt.Errorf("read %s: %w", f.name, err)
}

// withoutLines forgets where in a text that nobody has seen faults are.
func withoutLines(err error) error {
	var faults plan.Faults
	if !errors.As(err, &faults) {
		return err
	}
	kept := make(plan.Faults, len(faults))
	for i, fault := range faults {
		fault.Line = 0
		kept[i] = fault
	}
	return kept
}

// faultLine is one fault as FILE:LINE: PATH: MESSAGE, without what is not known.
func faultLine(file string, line int, path, message string) string {
	var b strings.Builder
	if file != "" {
		b.WriteString(file)
		if line > 0 {
			fmt.Fprintf(&b, ":%d", line)
		}
		b.WriteString(": ")
	}
	if path != "" {
		b.WriteString(path + ": ")
	}
	b.WriteString(message)
	return printable(b.String())
}
