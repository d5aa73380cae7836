package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
)

// Named asks for a run of a named plan.
type Named struct {
	Name    string
	Version int               // 0 = the latest
	Input   json.RawMessage   // an object, whose members replace those of the plan's input; nil: none given
	Labels  map[string]string // put over the plan's
}

// refForm says how a named plan is named.
const refForm = "must be the name of a plan, like load/daily or load/daily@3"

// namedDraft is a Named as it is read.
type namedDraft struct {
	Named
	input *node
}

// namedFields is made once: it never changes.
var namedFields = sync.OnceValue(newNamedFields)

func newNamedFields() []field[namedDraft] {
	return []field[namedDraft]{
		of("plan", "the name of a named plan: name or name@version", ref(),
			func(d *namedDraft, v reference) { d.Name, d.Version = v.name, v.version }).require(CodeWrongType),
		of("input", "an object whose members replace those of the plan's input", anyObject(),
			func(d *namedDraft, v *node) { d.input = v }),
		of("labels", "put over the plan's", labels(),
			func(d *namedDraft, v map[string]string) { d.Labels = v }),
	}
}

// reference is the name of a named plan with its version.
type reference struct {
	name    string
	version int
}

func ref() value[reference] {
	form := word(refPattern, refForm[len("must be "):])
	return value[reference]{
		schema: form.schema,
		read: func(r *reader, n *node) (reference, bool) {
			text, ok := form.read(r, n)
			if !ok {
				return reference{}, false
			}
			name, version, ok := ParseRef(text)
			return reference{name, version}, ok
		},
	}
}

// ParseSubmit reads what can be submitted: a plan in JSON, or a request to run a named plan, which has a member plan.
// Exactly one of both is not nil if err is. Errors are those of [Limits.ParseJSON].
func (l Limits) ParseSubmit(src []byte) (*Plan, *Named, error) {
	r := newReader(l)
	if err := r.size(src); err != nil {
		return nil, nil, err
	}
	n, err := readJSON(r, src)
	if err != nil {
		return nil, nil, err
	}
	if n.kind != object || n.find("plan") == nil || n.find("steps") != nil {
		p, err := r.plan(&n)
		return p, nil, err
	}
	r.at = r.at[:0]
	var d namedDraft
	readFields(r, &n, namedFields(), &d)
	d.Input = r.input(d.input)
	if err := r.err(); err != nil {
		return nil, nil, err
	}
	return nil, &d.Named, nil
}

// input is an object of input as JSON; nil for nil.
func (r *reader) input(n *node) json.RawMessage {
	if n == nil {
		return nil
	}
	text := n.json()
	if len(text) > r.limits.Input {
		r.faultIn(n, "input", CodeOutOfRange, "is larger than %d bytes", r.limits.Input)
	}
	return text
}

// ParseWith reads a plan in JSON with what somebody gives who runs it: members of input replace those of the plan's input
// and labels those of the same key. The error is [Faults] of both together, or a *[SyntaxError].
func (l Limits) ParseWith(src []byte, input json.RawMessage, given map[string]string) (*Plan, error) {
	r := newReader(l)
	n, err := readJSON(r, src)
	if err != nil {
		return nil, err
	}
	if input != nil && n.kind == object {
		over, err := readJSON(r, input)
		if err != nil {
			return nil, err
		}
		under := n.memberNamed("input")
		if under.kind == null {
			under.kind = object
		}
		for _, m := range over.members {
			*under.memberNamed(m.name) = m.value
		}
	}
	p, err := r.plan(&n)
	if err != nil || len(given) == 0 {
		return p, err
	}
	all := maps.Clone(p.Labels)
	maps.Copy(all, given)
	if len(all) > maxLabels {
		return nil, Faults{{Path: "labels", Code: CodeOutOfRange, Message: fmt.Sprintf("must be at most %d labels", maxLabels)}}
	}
	p.Labels = all
	return p, nil
}
