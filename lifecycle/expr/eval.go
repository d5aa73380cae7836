package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Eval returns `with` with every expression evaluated, except in the named top-level members. Numbers keep their digits.
//
// A path that leads nowhere is a *MissingError, a malformed expression a *BadError. Neither can succeed later, nor can a
// result over 32 MiB.
func Eval(with json.RawMessage, scope Scope, literal ...string) (json.RawMessage, error) {
	if !mayHave(with) {
		return with, nil
	}
	v, err := decode(with)
	if err != nil {
		return nil, &BadError{Path: "with", Message: "is not JSON"}
	}
	e := evaluator{scope: scope, roots: map[string]any{}}
	if object, ok := v.(map[string]any); ok {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if slices.Contains(literal, name) {
				continue
			}
			if object[name], err = e.value(object[name], Member("with", name)); err != nil {
				return nil, err
			}
		}
	} else if v, err = e.value(v, "with"); err != nil {
		return nil, err
	}
	out, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("write the evaluated with: %w", err)
	}
	return out, nil
}

// EvalText returns the value of one string with every expression evaluated: the type of its value if it is one expression,
// else a string. Errors are those of [Eval]; the Path of a *BadError is empty.
func EvalText(text string, scope Scope) (json.RawMessage, error) {
	e := evaluator{scope: scope, roots: map[string]any{}}
	v, err := e.text(text, "")
	if err != nil {
		return nil, err
	}
	return encode(v)
}

// EvalValue returns any JSON with the expressions in its strings evaluated, like [Eval] the `with` of a step. The Path of a
// *BadError starts with output.
func EvalValue(value json.RawMessage, scope Scope) (json.RawMessage, error) {
	if !mayHave(value) {
		return value, nil
	}
	v, err := decode(value)
	if err != nil {
		return nil, &BadError{Path: "output", Message: "is not JSON"}
	}
	e := evaluator{scope: scope, roots: map[string]any{}}
	if v, err = e.value(v, "output"); err != nil {
		return nil, err
	}
	return encode(v)
}

// StepsOf lists the steps that the expressions of any JSON ask for as steps.KEY, sorted.
func StepsOf(value json.RawMessage) []string {
	keys := map[string]bool{}
	if v, err := decode(value); err == nil {
		stepsOf(v, keys)
	}
	return slices.Sorted(maps.Keys(keys))
}

func stepsOf(v any, keys map[string]bool) {
	switch v := v.(type) {
	case string:
		for _, p := range split(v) {
			if p.path != nil && p.path.root == "steps" && len(p.path.rest) > 0 && p.path.rest[0].name != nil {
				keys[*p.path.rest[0].name] = true
			}
		}
	case []any:
		for _, item := range v {
			stepsOf(item, keys)
		}
	case map[string]any:
		for _, member := range v {
			stepsOf(member, keys)
		}
	}
}

// visible is what a scope holds.
func (s Scope) visible() Visible {
	in := Visible{Input: true, Run: true, Step: true, Attempt: s.Attempt > 0, Item: s.Item != nil, Needs: has(s.Needs)}
	if s.Steps != nil {
		in.Steps = has(s.Steps)
	}
	return in
}

func has(steps map[string]Need) func(key string) bool {
	return func(key string) bool { _, ok := steps[key]; return ok }
}

type evaluator struct {
	scope Scope
	roots map[string]any // decoded documents by name: input, item, needs.KEY, steps.KEY
	size  int            // bytes put in place of expressions so far
}

func (e *evaluator) value(v any, at string) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return e.text(v, at)
	case []any:
		for i := range v {
			if v[i], err = e.value(v[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if v[name], err = e.value(v[name], Member(at, name)); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func (e *evaluator) text(text, at string) (any, error) {
	if !strings.Contains(text, opening) {
		return text, nil
	}
	parts := split(text)
	var b strings.Builder
	for _, p := range parts {
		if p.err != nil {
			return nil, &BadError{Path: at, Message: p.err.Error()}
		}
		if p.path == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := e.lookUp(p.path, at)
		if err != nil {
			return nil, err
		}
		raw, err := e.account(v)
		if err != nil {
			return nil, err
		}
		if len(parts) == 1 {
			return v, nil
		}
		if s, ok := v.(string); ok {
			b.WriteString(s)
		} else {
			b.Write(raw)
		}
	}
	return b.String(), nil
}

// account adds a value to the size of the result, and gives it as JSON.
func (e *evaluator) account(v any) ([]byte, error) {
	raw, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("write the value of an expression: %w", err)
	}
	if e.size += len(raw); e.size > maxResult {
		return nil, errTooLarge
	}
	return raw, nil
}

func (e *evaluator) lookUp(p *path, at string) (any, error) {
	if code, message := p.impossible(e.scope.visible()); code != "" {
		return nil, &BadError{Path: at, Message: message}
	}
	switch p.root {
	case "input":
		return e.into(p, "input", e.scope.Input, p.rest)
	case "needs":
		return e.step(p, e.scope.Needs)
	case "steps":
		return e.step(p, e.scope.Steps)
	case "item":
		return e.into(p, "item", e.scope.Item, p.rest)
	case "index":
		return json.Number(strconv.Itoa(e.scope.Index)), nil
	case "run":
		if p.rest[0].is("id") {
			return e.scope.RunID, nil
		}
		return e.scope.RunName, nil
	case "step":
		return e.scope.StepKey, nil
	default:
		return json.Number(strconv.Itoa(e.scope.Attempt)), nil
	}
}

// step looks into one of the steps that can be seen.
func (e *evaluator) step(p *path, steps map[string]Need) (any, error) {
	key := *p.rest[0].name
	if p.rest[1].is("state") {
		return steps[key].State, nil
	}
	return e.into(p, p.root+"."+key, steps[key].Output, p.rest[2:])
}

// into follows a path into a document. Each document is decoded once.
func (e *evaluator) into(p *path, name string, raw json.RawMessage, rest []segment) (any, error) {
	if raw == nil {
		return nil, &MissingError{Path: p.text}
	}
	v, decoded := e.roots[name]
	if !decoded {
		var err error
		if v, err = decode(raw); err != nil {
			return nil, fmt.Errorf("read what the expression %s leads to: %w", p.text, err)
		}
		e.roots[name] = v
	}
	for _, s := range rest {
		switch in := v.(type) {
		case map[string]any:
			if s.name == nil {
				return nil, &MissingError{Path: p.text}
			}
			next, ok := in[*s.name]
			if !ok {
				return nil, &MissingError{Path: p.text}
			}
			v = next
		case []any:
			if s.name != nil || s.index >= len(in) {
				return nil, &MissingError{Path: p.text}
			}
			v = in[s.index]
		default:
			return nil, &MissingError{Path: p.text}
		}
	}
	return v, nil
}

func encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
