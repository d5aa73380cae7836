package plan

import (
	"fmt"
	"strings"
)

// The codes of faults: a closed list.
const (
	CodeDuplicateKey    = "duplicate_key" // of a step, a need, or a member of an object
	CodeUnknownNeed     = "unknown_need"
	CodeSelfNeed        = "self_need"
	CodeCycle           = "cycle"
	CodeUnknownKind     = "unknown_kind"
	CodeEmptyPlan       = "empty_plan"
	CodeTooManySteps    = "too_many_steps"
	CodeUnknownField    = "unknown_field"
	CodeWrongType       = "wrong_type"   // also: missing
	CodeOutOfRange      = "out_of_range" // of the right type, but not among what is allowed
	CodeBadExpression   = "bad_expression"
	CodeExecDisabled    = "exec_disabled"
	CodeNotSupportedYet = "not_supported_yet"
)

// Codes lists every code that a fault can have.
func Codes() []string {
	return []string{
		CodeDuplicateKey, CodeUnknownNeed, CodeSelfNeed, CodeCycle, CodeUnknownKind, CodeEmptyPlan, CodeTooManySteps,
		CodeUnknownField, CodeWrongType, CodeOutOfRange, CodeBadExpression, CodeExecDisabled, CodeNotSupportedYet,
	}
}

// Fault is one thing that is wrong with a plan.
type Fault struct {
	Path    string   // steps[3].needs[0]; "" = the plan as a whole
	Code    string   // of the closed list in contract 6: duplicate_key, unknown_need, cycle, …
	Message string   // for people; never repeats the offending value
	Detail  []string // with cycle: the keys in order, each needs the next one and the last needs the first; else nil
	Line    int      // in the text, from 1; 0 = not known
}

// Faults is everything that is wrong with a plan, in the order of its text. It is the error of Parse.
type Faults []Fault

// Error lists all of them, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Message
		if fault.Path != "" {
			lines[i] = fault.Path + ": " + fault.Message
		}
	}
	return strings.Join(lines, "\n")
}

// SyntaxError says that a text is neither YAML nor JSON, so that nothing in it can be looked at.
type SyntaxError struct {
	Line    int    // from 1; 0 = not known
	Message string // never repeats the text
}

// Error implements error.
func (e *SyntaxError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return e.Message
}
