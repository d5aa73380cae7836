package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/weirqueue/weir/lifecycle"
)

// Registry holds the handlers of a replica by kind. Handlers are registered before the replica starts; all methods
// may be called concurrently.
type Registry struct {
	mu    sync.RWMutex
	kinds map[string]*kind
	errs  []error
}

// kind is one registered handler.
type kind struct {
	name    string
	input   json.RawMessage // JSON Schema of `with`
	output  json.RawMessage // JSON Schema of the output
	literal []string        // members of `with` in which no expression is evaluated
	run     func(ctx context.Context, with json.RawMessage) (output, error)
}

// NewRegistry returns a registry without kinds.
func NewRegistry() *Registry {
	return &Registry{kinds: map[string]*kind{}}
}

// Handle registers fn as the handler of a kind. The step's `with`, after its expressions were evaluated, is decoded
// strictly into In: an unknown member, a wrong type or a missing one fails the attempt for good and names its path.
// Members of In are required unless their json tag says omitempty or omitzero. What fn returns is the step's output.
//
// The JSON Schemas of In and Out are inferred and published with the kind; a type with a method
// `JSONSchema() *jsonschema.Schema` brings its own. `with` is an object, so In must be a struct, a map or anything that
// decodes from one.
//
// fn must return soon after its context ends; context.Cause says why it did. A panic makes the attempt crashed.
//
// A kind that is registered already, or that is not 1 to 63 lower-case letters, digits, '.', '_' and '-' (the first one a
// letter or digit), is an error. The registry remembers it as well: see [Registry.Err].
func Handle[In, Out any](reg *Registry, name string, fn func(ctx context.Context, in In) (Out, error)) error {
	run := func(ctx context.Context, in In) (output, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return output{}, err
		}
		return encodeOutput(out), nil
	}
	if fn == nil {
		return reg.refuse(fmt.Errorf("register kind %q: the handler is nil", name))
	}
	return handle(reg, name, reflect.TypeFor[Out](), run)
}

// handle registers a handler that brings its output as bytes. Out is the type whose schema is published.
func handle[In any](
	reg *Registry, name string, out reflect.Type, fn func(context.Context, In) (output, error), literal ...string,
) error {
	in, err := newCodec[In]()
	if err != nil {
		return reg.refuse(fmt.Errorf("register kind %q: input: %w", name, err))
	}
	outSchema, err := schemaOf(out)
	if err != nil {
		return reg.refuse(fmt.Errorf("register kind %q: output: %w", name, err))
	}
	outJSON, err := json.Marshal(outSchema)
	if err != nil {
		return reg.refuse(fmt.Errorf("register kind %q: output: %w", name, err))
	}
	return reg.add(&kind{
		name: name, input: in.published, output: outJSON, literal: literal,
		run: func(ctx context.Context, with json.RawMessage) (output, error) {
			v, err := in.decode(with)
			if err != nil {
				return output{}, err
			}
			return fn(ctx, v)
		},
	})
}

var kindName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (r *Registry) add(k *kind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	switch _, taken := r.kinds[k.name]; {
	case !kindName.MatchString(k.name):
		err = fmt.Errorf("register kind %q: a kind is 1 to 63 lower-case letters, digits, '.', '_' and '-'", k.name)
	case k.name == "wait" || k.name == "plan":
		err = fmt.Errorf("register kind %q: this kind is Weir's own, no worker runs it", k.name)
	case taken:
		err = fmt.Errorf("register kind %q: it is registered already", k.name)
	default:
		r.kinds[k.name] = k
		return nil
	}
	r.errs = append(r.errs, err)
	return err
}

func (r *Registry) refuse(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
	return err
}

// Err returns every error that registering met, joined, or nil. A replica does not start with a registry that has one.
func (r *Registry) Err() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return errors.Join(r.errs...)
}

// Kinds lists the registered kinds by name, with the schemas of their input and output.
func (r *Registry) Kinds() []lifecycle.Kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]lifecycle.Kind, 0, len(r.kinds))
	for _, k := range r.kinds {
		out = append(out, lifecycle.Kind{Name: k.name, Input: k.input, Output: k.output})
	}
	slices.SortFunc(out, func(a, b lifecycle.Kind) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *Registry) kind(name string) *kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.kinds[name]
}
