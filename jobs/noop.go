package jobs

import (
	"context"
	"encoding/json"
	"reflect"
)

// noopInput is the `with` of kind noop.
type noopInput struct {
	Output json.RawMessage `json:"output,omitempty" jsonschema:"becomes the output of the step; any JSON"`
}

// registerNoop registers kind noop: it does nothing, and its output is what its input says.
func registerNoop(reg *Registry) error {
	return handle(reg, "noop", reflect.TypeFor[any](), func(_ context.Context, in noopInput) (output, error) {
		return rawOutput(in.Output), nil
	})
}
