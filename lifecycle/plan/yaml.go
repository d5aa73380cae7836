package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// yamlReader turns the nodes of a YAML document into ours.
type yamlReader struct {
	*reader
	budget int                 // bytes that aliases may still bring
	open   map[*yaml.Node]bool // values that are being read, against aliases that hold themselves
}

// readYAML gives the value of a text with one YAML document. What is YAML but not allowed in a plan is a fault of r.
func readYAML(r *reader, src []byte) (n node, err error) {
	if !utf8.Valid(src) {
		return node{}, invalidUTF8(src)
	}
	doc, err := loadYAML(src)
	if err != nil {
		return node{}, err
	}
	y := yamlReader{reader: r, budget: aliasFactor * len(src), open: map[*yaml.Node]bool{}}
	if doc == nil || len(doc.Content) == 0 {
		return y.newNode(null, 1), nil
	}
	return y.value(doc.Content[0], 0, false), nil
}

// loadYAML reads the only document of a text; nil if there is none.
func loadYAML(src []byte) (doc *yaml.Node, err error) {
	defer func() {
		if v := recover(); v != nil {
			doc, err = nil, &SyntaxError{Message: "the text is not YAML"}
		}
	}()
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, fmt.Errorf("make a YAML reader: %w", err)
	}
	doc = new(yaml.Node)
	switch err := loader.Load(doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlSyntax(err)
	}
	var second yaml.Node
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, yamlSyntax(err)
	}
	return nil, &SyntaxError{Line: second.Line, Message: "the text holds more than one YAML document"}
}

// yamlSyntax keeps of an error what does not repeat the text.
func yamlSyntax(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &SyntaxError{Message: "the text is not YAML"}
	}
	message := "the text is not YAML"
	switch {
	case load.Stage == yaml.ReaderStage, load.Stage == yaml.ScannerStage, load.Stage == yaml.ParserStage:
		message += ": " + load.Message
	case strings.Contains(load.Message, "unknown anchor"):
		message += ": an alias (*name) has no anchor (&name) before it"
	}
	return &SyntaxError{Line: load.Mark.Line, Message: message}
}

// value reads one value. aliased says that it is read for an alias, at its expense.
func (y *yamlReader) value(from *yaml.Node, depth int, aliased bool) node {
	n := y.newNode(invalid, int32(from.Line))
	switch {
	case y.tooMany(&n):
		return n
	case aliased && !y.afford(&n, from):
		return n
	case from.Style&yaml.TaggedStyle != 0 || from.Tag == "!":
		y.fault(&n, CodeWrongType, "has a tag (!…): plans have none, write the value itself")
		return n
	}
	switch from.Kind {
	case yaml.AliasNode:
		return y.alias(n, from, depth)
	case yaml.ScalarNode:
		y.scalar(&n, from)
	case yaml.SequenceNode:
		n.kind = list
		if y.checkDepth(&n, depth); n.kind == invalid {
			return n
		}
		y.open[from] = true
		n.items = make([]node, 0, len(from.Content))
		for i, item := range from.Content {
			y.enterItem(i)
			n.items = append(n.items, y.value(item, depth+1, aliased))
			y.leave()
		}
		delete(y.open, from)
	case yaml.MappingNode:
		n.kind = object
		if y.checkDepth(&n, depth); n.kind == invalid {
			return n
		}
		y.open[from] = true
		y.members(&n, from, depth, aliased)
		delete(y.open, from)
	case yaml.DocumentNode, yaml.StreamNode:
		y.fault(&n, CodeWrongType, "is no value")
	}
	return n
}

// afford takes the size of a value that an alias brings from the budget.
func (y *yamlReader) afford(n *node, from *yaml.Node) bool {
	before := y.budget
	y.budget -= len(from.Value) + 2
	if before >= 0 && y.budget < 0 {
		y.fault(n, CodeOutOfRange, "has aliases that make the plan more than %d times as large as its text", aliasFactor)
	}
	return y.budget >= 0
}

func (y *yamlReader) alias(n node, from *yaml.Node, depth int) node {
	target := from.Alias
	if target == nil || y.open[target] {
		y.fault(&n, CodeWrongType, "has an alias that holds itself")
		return n
	}
	y.open[target] = true
	v := y.value(target, depth, true)
	delete(y.open, target)
	v.line = n.line
	return v
}

func (y *yamlReader) members(n *node, from *yaml.Node, depth int, aliased bool) {
	names := nameSet{}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		at := node{line: int32(key.Line), pos: y.count + 1}
		name, ok := y.name(&at, key)
		if !ok {
			continue
		}
		y.enter(name)
		y.checkText(&at, []byte(name))
		v := y.value(from.Content[i+1], depth+1, aliased)
		if names.add(n.members, name) {
			n.members = append(n.members, member{name: name, value: v})
		} else {
			y.fault(&at, CodeDuplicateKey, "stands in the same object twice")
		}
		y.leave()
	}
}

// name gives the name of a member.
func (y *yamlReader) name(at *node, key *yaml.Node) (string, bool) {
	if key.Kind == yaml.AliasNode && key.Alias != nil && key.Alias.Kind == yaml.ScalarNode {
		if y.budget -= len(key.Alias.Value) + 2; y.budget >= 0 {
			key = key.Alias
		}
	}
	switch {
	case key.Kind != yaml.ScalarNode:
		y.fault(at, CodeWrongType, "has a member whose name is no string")
	case key.Style&yaml.TaggedStyle != 0 || key.Tag == "!":
		y.fault(at, CodeWrongType, "has a member whose name has a tag (!…): plans have none")
	case plain(key) && key.Value == "<<":
		y.fault(at, CodeUnknownField, "has a merge key (<<): plans have none, write the members out")
	default:
		var n node
		if y.resolve(&n, key); n.kind == text {
			return n.text, true
		}
		y.fault(at, CodeWrongType, "has a member whose name is no string: put it in quotes")
	}
	return "", false
}

func plain(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func (y *yamlReader) scalar(n *node, from *yaml.Node) {
	y.resolve(n, from)
	switch n.kind {
	case text:
		y.checkText(n, []byte(n.text))
	case number:
		y.checkNumber(n)
	case invalid:
		y.fault(n, CodeWrongType, "is a number that JSON does not have")
	case null, boolean, list, object:
	}
}

// resolve gives a scalar its type by the core schema of YAML 1.2: yes, no, on, off and dates are strings.
func (y *yamlReader) resolve(n *node, from *yaml.Node) {
	n.kind, n.text = text, from.Value
	if !plain(from) {
		return
	}
	switch from.Value {
	case "", "~", "null", "Null", "NULL":
		n.kind, n.text = null, ""
	case "true", "True", "TRUE":
		n.kind, n.text = boolean, "true"
	case "false", "False", "FALSE":
		n.kind, n.text = boolean, "false"
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN":
		n.kind = invalid
	default:
		if s := yamlNumber(from.Value); s != "" {
			n.kind, n.text = number, s
		}
	}
}

// nameSet finds names that an object has twice.
type nameSet struct{ seen map[string]bool }

// few is up to how many members looking through them is quicker than a map.
const few = 12

// add reports whether a name is new, members being those before it.
func (s *nameSet) add(members []member, name string) bool {
	if len(members) < few {
		for i := range members {
			if members[i].name == name {
				return false
			}
		}
		return true
	}
	if s.seen == nil {
		s.seen = make(map[string]bool, 2*few)
		for i := range members {
			s.seen[members[i].name] = true
		}
	}
	if s.seen[name] {
		return false
	}
	s.seen[name] = true
	return true
}
