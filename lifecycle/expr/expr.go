// Package expr evaluates the expressions in the `with` of a step, and checks them before anything runs.
//
// An expression is a path in `${{ }}`: input.a.b[0], needs.KEY.output…, needs.KEY.state, run.id, run.name, step.key,
// attempt; in the children of a for_each also item… and index; in the output of a plan steps.KEY.output… and
// steps.KEY.state. Which of them a place sees, [Visible] says. Names that are not plain stand in brackets: needs["a.b"].output. There are no operators. A string that is one
// expression takes the type of its value; within other text a value becomes text, lists and objects as JSON. `$${{` is the
// text `${{`. Names of members are never evaluated.
package expr

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Scope is what expressions can see.
type Scope struct {
	Input   json.RawMessage
	Needs   map[string]Need
	Steps   map[string]Need // nil: none can be seen
	Item    json.RawMessage // of a child of a for_each; nil: none can be seen
	Index   int             // of the item, from 0
	RunID   string
	RunName string
	StepKey string
	Attempt int // from 1; 0: it is no attempt that asks
}

// Need is a direct need of the step, or any step of the plan in Scope.Steps.
type Need struct {
	State  string
	Output json.RawMessage // nil: none
}

// MissingError says that a path leads nowhere.
type MissingError struct{ Path string }

// Error implements error.
func (e *MissingError) Error() string { return "the expression " + e.Path + " leads nowhere" }

// BadError says that an expression is malformed, or asks for something that its place cannot see.
type BadError struct {
	Path    string // where it stands: with.url; "" for EvalText
	Message string
}

// Error implements error.
func (e *BadError) Error() string { return strings.TrimPrefix(e.Path+": "+e.Message, ": ") }

// The codes of problems. They are fault codes of plans.
const (
	CodeBadExpression   = "bad_expression"
	CodeNotSupportedYet = "not_supported_yet"
)

// Problem is one thing that is wrong with an expression. Its message repeats nothing of the text.
type Problem struct {
	Path    string // with.headers.accept; "" for CheckText
	Code    string // CodeBadExpression or CodeNotSupportedYet
	Message string
}

// maxResult bounds what a `with` may grow to, in bytes: 256 KiB of short expressions could ask for a gigabyte.
const maxResult = 32 << 20

var errTooLarge = fmt.Errorf("with: is larger than %d MiB after its expressions were evaluated", maxResult>>20)
