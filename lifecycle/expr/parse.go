package expr

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// path is a parsed expression: a root and what follows.
type path struct {
	text string // as it was written, without blanks around it
	root string
	rest []segment
}

// segment is a member's name, or an index if name is nil.
type segment struct {
	name  *string
	index int
}

func (s segment) is(name string) bool { return s.name != nil && *s.name == name }

// part is a piece of a text: literal text, or an expression.
type part struct {
	text string
	path *path
	err  error // the expression is malformed; path is nil then
}

const (
	opening = "${{"
	closing = "}}"
)

// Has reports whether a text has an expression, well-formed or not.
func Has(text string) bool {
	for {
		i := strings.Index(text, opening)
		if i < 0 {
			return false
		}
		if i == 0 || text[i-1] != '$' {
			return true
		}
		text = text[i+len(opening):]
	}
}

// split cuts a text into its parts. After a malformed expression it goes on behind the next `}}`.
func split(text string) []part {
	var parts []part
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for {
		i := strings.Index(text, opening)
		if i < 0 {
			literal.WriteString(text)
			flush()
			return parts
		}
		if i > 0 && text[i-1] == '$' {
			literal.WriteString(text[:i-1] + opening)
			text = text[i+len(opening):]
			continue
		}
		literal.WriteString(text[:i])
		flush()
		s := scanner{text: text[i+len(opening):]}
		p, err := s.path()
		if err != nil {
			parts = append(parts, part{err: err})
			end := strings.Index(s.text, closing)
			if end < 0 {
				return parts
			}
			text = s.text[end+len(closing):]
			continue
		}
		parts = append(parts, part{path: p})
		text = s.text[s.at:]
	}
}

// whole reads a text that is one expression.
func whole(text string) (*path, error) {
	rest, found := strings.CutPrefix(text, opening)
	if !found {
		return nil, errWhole
	}
	s := scanner{text: rest}
	p, err := s.path()
	if err == nil && s.at < len(s.text) {
		return nil, errWhole
	}
	return p, err
}

// scanner reads one expression, from behind `${{` to behind `}}`.
type scanner struct {
	text string
	at   int
}

var (
	errUnclosed = errors.New("an expression is not closed: `}}` is missing")
	errEmpty    = errors.New("an expression is empty: it must be a path like input.name")
	errForm     = errors.New("an expression must be one path like input.name, needs.KEY.output or needs[\"a.b\"].output[0]; there are no operators (write $${{ for the text itself)")
	errWhole    = errors.New("must be one expression and nothing else: ${{ needs.KEY.output }}")
	errBracket  = errors.New("an expression has a bad bracket: it must be an index like [0] or a name like [\"a.b\"]")
)

func (s *scanner) path() (*path, error) {
	s.blanks()
	start := s.at
	root := s.name()
	switch {
	case root != "":
	case strings.HasPrefix(s.text[s.at:], closing):
		return nil, errEmpty
	case s.at == len(s.text):
		return nil, errUnclosed
	default:
		return nil, errForm
	}
	p := &path{root: root}
	for {
		switch s.peek() {
		case '.':
			s.at++
			name := s.name()
			if name == "" {
				return nil, errForm
			}
			p.rest = append(p.rest, segment{name: &name})
			continue
		case '[':
			seg, err := s.bracket()
			if err != nil {
				return nil, err
			}
			p.rest = append(p.rest, seg)
			continue
		}
		break
	}
	p.text = s.text[start:s.at]
	s.blanks()
	if s.at == len(s.text) {
		return nil, errUnclosed
	}
	if !strings.HasPrefix(s.text[s.at:], closing) {
		return nil, errForm
	}
	s.at += len(closing)
	return p, nil
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) blanks() {
	for s.peek() == ' ' || s.peek() == '\t' || s.peek() == '\n' || s.peek() == '\r' {
		s.at++
	}
}

func (s *scanner) name() string {
	start := s.at
	for c := s.peek(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'; c = s.peek() {
		s.at++
	}
	return s.text[start:s.at]
}

// bracket reads [0], ["a.b"] or ['a.b'].
func (s *scanner) bracket() (segment, error) {
	s.at++
	switch c := s.peek(); {
	case c >= '0' && c <= '9':
		start := s.at
		for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
			s.at++
		}
		digits := s.text[start:s.at]
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || s.peek() != ']' {
			return segment{}, errBracket
		}
		s.at++
		return segment{index: int(n)}, nil
	case c == '"' || c == '\'':
		name, ok := s.quoted(c)
		if !ok || s.peek() != ']' {
			return segment{}, errBracket
		}
		s.at++
		return segment{name: &name}, nil
	}
	return segment{}, errBracket
}

// quoted reads a string: in double quotes as JSON has it, in single quotes as it stands.
func (s *scanner) quoted(quote byte) (string, bool) {
	start := s.at
	for i := s.at + 1; i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\' && quote == '"':
			i++
		case s.text[i] == quote:
			s.at = i + 1
			if quote == '\'' {
				return s.text[start+1 : i], true
			}
			var name string
			err := json.Unmarshal([]byte(s.text[start:s.at]), &name)
			return name, err == nil
		}
	}
	return "", false
}
