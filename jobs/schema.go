package jobs

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemer is a type that brings its own JSON Schema.
type schemer interface {
	JSONSchema() *jsonschema.Schema
}

// schemaOf infers the JSON Schema of a type. Types that write or read their JSON themselves are not looked into:
// text for those that are text, anything else for the rest.
func schemaOf(t reflect.Type) (*jsonschema.Schema, error) {
	own := map[reflect.Type]*jsonschema.Schema{}
	collectOwnSchemas(t, own, map[reflect.Type]bool{})
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: own})
	if err != nil {
		return nil, fmt.Errorf("infer the JSON Schema of %s (a method JSONSchema() *jsonschema.Schema can bring one): %w", t, err)
	}
	return s, nil
}

// collectOwnSchemas walks a type and notes, for every part that has its own JSON form, the schema of that form.
func collectOwnSchemas(t reflect.Type, own map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if s := ownSchema(t); s != nil {
		own[t] = s
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		collectOwnSchemas(t.Elem(), own, seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if f.IsExported() || f.Anonymous {
				collectOwnSchemas(f.Type, own, seen)
			}
		}
	}
}

func ownSchema(t reflect.Type) *jsonschema.Schema {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return nil
	}
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[slog.Level]() {
		return nil // the library knows them
	}
	p := reflect.PointerTo(t)
	if p.Implements(reflect.TypeFor[schemer]()) {
		if s, ok := reflect.TypeAssert[schemer](reflect.New(t)); ok {
			return s.JSONSchema()
		}
	}
	if p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[json.Marshaler]()) {
		return &jsonschema.Schema{}
	}
	if p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}
