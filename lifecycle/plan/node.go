package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// nodeKind is the type of a value, in the words of JSON.
type nodeKind uint8

const (
	invalid nodeKind = iota // a fault has been noted for it: nothing more is said about it
	null
	boolean
	number
	text
	list
	object
)

func (k nodeKind) String() string {
	return [...]string{"invalid", "null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// node is a value of a plan, whatever it was written in.
type node struct {
	kind    nodeKind
	line    int32
	pos     int32    // counts the values of a text from 1
	text    string   // of a string; a number as JSON writes it; true, false
	items   []node   // of a list
	members []member // of an object, in the order of the text, names unique
}

type member struct {
	name  string
	value node
}

// appendJSON writes a value as compact JSON; sorted orders the members of objects.
func (n *node) appendJSON(b []byte, sorted bool) []byte {
	switch n.kind {
	case boolean, number:
		return append(b, n.text...)
	case text:
		return appendString(b, n.text)
	case list:
		b = append(b, '[')
		for i := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = n.items[i].appendJSON(b, sorted)
		}
		return append(b, ']')
	case object:
		members := n.members
		if sorted {
			members = slices.Clone(members)
			slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		}
		b = append(b, '{')
		for i := range members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, members[i].name), ':')
			b = members[i].value.appendJSON(b, sorted)
		}
		return append(b, '}')
	case invalid, null:
	}
	return append(b, "null"...)
}

func (n *node) json() json.RawMessage { return n.appendJSON(nil, false) }

// appendString writes a string with no more escapes than JSON asks for.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// characters is the length of a string as JSON Schema counts it.
func characters(s string) int { return utf8.RuneCountInString(s) }
