package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Override returns a plan's text as JSON with its input changed: replaced by replacement, a text with an object in YAML or
// JSON, unless that is nil, then with the members that sets name, each KEY=VALUE where VALUE is JSON, else taken as a string.
// Everything else of the text is kept as it is, faults included. The error is a *[SyntaxError], [Faults] of the texts as
// such, or says which setting is wrong.
func Override(src, replacement []byte, sets []string) ([]byte, error) {
	n, err := readAny(src)
	if err != nil {
		return nil, err
	}
	if n.kind == object && (replacement != nil || len(sets) > 0) {
		input := n.memberNamed("input")
		if replacement != nil {
			if *input, err = readAny(replacement); err != nil {
				return nil, fmt.Errorf("read the input: %w", err)
			}
			if input.kind != object {
				return nil, errors.New("the input must be an object")
			}
		}
		if input.kind == null {
			input.kind = object
		}
		for i, set := range sets {
			name, v, ok := strings.Cut(set, "=")
			if !ok || name == "" {
				return nil, fmt.Errorf("input %d must be KEY=VALUE", i+1)
			}
			if input.kind == object {
				*input.memberNamed(name) = settingValue(v)
			}
		}
	}
	return n.json(), nil
}

// JSON returns a plan's text as JSON. The error is a *[SyntaxError], or [Faults] of what JSON or a plan cannot hold wherever it
// stands.
func JSON(src []byte) (json.RawMessage, error) {
	n, err := readAny(src)
	if err != nil {
		return nil, err
	}
	return n.json(), nil
}

// readAny reads YAML or JSON.
func readAny(src []byte) (node, error) {
	r := newReader(Limits{})
	if err := r.size(src); err != nil {
		return node{}, err
	}
	n, err := r.any(src)
	if err != nil {
		return node{}, err
	}
	return n, r.err()
}

// settingValue reads the value of a setting: JSON, else a string.
func settingValue(v string) node {
	r := newReader(Limits{})
	n, err := readJSON(r, []byte(v))
	if err != nil || r.err() != nil {
		return node{kind: text, text: strings.ToValidUTF8(v, "\uFFFD")}
	}
	return n
}

// memberNamed gives a member of an object, a new one (null) if it has none of that name.
func (n *node) memberNamed(name string) *node {
	if m := n.find(name); m != nil {
		return m
	}
	n.members = append(n.members, member{name: name, value: node{kind: null}})
	return &n.members[len(n.members)-1].value
}

// WithInput gives the plan with members of its input replaced by those of an object, top level only, or with members added:
// what `--input` is for people, for programs. Without any it is the plan itself, else a copy that shares everything else.
func (p *Plan) WithInput(input json.RawMessage) (*Plan, Faults) {
	wrong := func(code, message string) (*Plan, Faults) {
		return nil, Faults{{Path: "input", Code: code, Message: message}}
	}
	if len(input) == 0 {
		return p, nil
	}
	r := newReader(Limits{})
	own, err := readJSON(r, p.Input)
	if err != nil {
		return wrong(CodeWrongType, "is not JSON")
	}
	given, err := readJSON(r, input)
	var faults Faults
	switch {
	case err != nil:
		return wrong(CodeWrongType, "is not JSON")
	case errors.As(r.err(), &faults):
		for i := range faults {
			faults[i].Path, faults[i].Line = strings.TrimSuffix("input."+faults[i].Path, "."), 0
		}
		return nil, faults
	case given.kind != object:
		return wrong(CodeWrongType, "is "+given.kind.String()+", must be an object")
	case len(given.members) == 0:
		return p, nil
	}
	for i := range given.members {
		*own.memberNamed(given.members[i].name) = given.members[i].value
	}
	with := *p
	if with.Input = own.json(); len(with.Input) > r.limits.Input {
		return wrong(CodeOutOfRange, fmt.Sprintf("is larger than %d bytes", r.limits.Input))
	}
	return &with, nil
}
