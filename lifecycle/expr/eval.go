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

type evaluator struct {
	scope Scope
	roots map[string]any // decoded documents by "" (input) and the needs' keys
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
	isNeed := func(key string) bool { _, ok := e.scope.Needs[key]; return ok }
	if code, message := p.impossible(isNeed); code != "" {
		return nil, &BadError{Path: at, Message: message}
	}
	switch p.root {
	case "input":
		return e.into(p, "", e.scope.Input, p.rest)
	case "needs":
		key := *p.rest[0].name
		if p.rest[1].is("state") {
			return e.scope.Needs[key].State, nil
		}
		return e.into(p, "needs."+key, e.scope.Needs[key].Output, p.rest[2:])
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
