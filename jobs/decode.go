package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// codec decodes `with` into In, strictly.
type codec[In any] struct {
	schema    *jsonschema.Schema
	resolved  *jsonschema.Resolved
	published json.RawMessage
}

func newCodec[In any]() (*codec[In], error) {
	s, err := schemaOf(reflect.TypeFor[In]())
	if err != nil {
		return nil, err
	}
	if !allowsType(s, "object") {
		return nil, fmt.Errorf("%s does not decode from an object, which `with` is", reflect.TypeFor[In]())
	}
	published, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema of %s: %w", reflect.TypeFor[In](), err)
	}
	// Resolving keeps state in the schema it is given: the published one is read back for it.
	own := new(jsonschema.Schema)
	if err := json.Unmarshal(published, own); err != nil {
		return nil, fmt.Errorf("read the JSON Schema of %s: %w", reflect.TypeFor[In](), err)
	}
	resolved, err := own.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("resolve the JSON Schema of %s: %w", reflect.TypeFor[In](), err)
	}
	return &codec[In]{schema: s, resolved: resolved, published: published}, nil
}

// decode checks `with` against the schema and reads it. Every error is permanent and names the places that are wrong.
func (c *codec[In]) decode(with json.RawMessage) (In, error) {
	var in In
	dec := json.NewDecoder(bytes.NewReader(with))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return in, invalidWith(fmt.Sprintf("it is not JSON: %v", err))
	}
	if faults := checkValue(c.schema, doc, "with"); len(faults) > 0 {
		return in, invalidWith(strings.Join(faults, "; "))
	}
	var plain any
	if err := json.Unmarshal(with, &plain); err != nil {
		return in, invalidWith(fmt.Sprintf("it is not JSON: %v", err))
	}
	if err := c.resolved.Validate(plain); err != nil {
		return in, invalidWith(err.Error())
	}
	strict := json.NewDecoder(bytes.NewReader(with))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return in, invalidWith(fmt.Sprintf("with.%s: is a %s, must fit %s", wrong.Field, wrong.Value, wrong.Type))
		}
		return in, invalidWith(strings.TrimPrefix(err.Error(), "json: "))
	}
	return in, nil
}

func invalidWith(text string) error {
	return &Failure{Code: "invalid_with", Message: "the step's input does not fit its kind: " + text, Permanent: true}
}
