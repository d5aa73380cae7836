package plan

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is where reading stops altogether; from maxDepth on there is only a fault.
const maxNesting = 10_000

// jsonReader reads one JSON text, strictly, into nodes. It stops at the first thing that is not JSON.
type jsonReader struct {
	*reader
	src  string
	i    int
	line int32
}

// readJSON gives the value of a JSON text. What is JSON but not allowed in a plan is a fault of r.
func readJSON(r *reader, src []byte) (node, error) {
	if !utf8.Valid(src) {
		return node{}, invalidUTF8(src)
	}
	j := jsonReader{reader: r, src: string(src), line: 1}
	j.blanks()
	n, err := j.value(0)
	if err != nil {
		return node{}, err
	}
	j.blanks()
	if j.i < len(j.src) {
		return node{}, j.wrong("more text follows after the JSON value")
	}
	return n, nil
}

func invalidUTF8(src []byte) error {
	line := 1
	for rest := src; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		if c == utf8.RuneError && size == 1 {
			break
		}
		if c == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return &SyntaxError{Line: line, Message: "the text is not valid UTF-8"}
}

func (j *jsonReader) wrong(message string) error {
	return &SyntaxError{Line: int(j.line), Message: message}
}

func (j *jsonReader) peek() byte {
	if j.i < len(j.src) {
		return j.src[j.i]
	}
	return 0
}

func (j *jsonReader) blanks() {
	for ; j.i < len(j.src); j.i++ {
		switch j.src[j.i] {
		case ' ', '\t', '\r':
		case '\n':
			j.line++
		default:
			return
		}
	}
}

// newNode numbers a value.
func (r *reader) newNode(kind nodeKind, line int32) node {
	r.count++
	return node{kind: kind, line: line, pos: r.count}
}

// tooMany reports whether a text has too many values, and says so once.
func (r *reader) tooMany(n *node) bool {
	if int(r.count) == r.limits.Values+1 {
		r.add(Fault{Code: CodeOutOfRange, Message: "has too many values", Line: int(n.line)}, n.pos)
	}
	return int(r.count) > r.limits.Values
}

func (j *jsonReader) value(depth int) (node, error) {
	n := j.newNode(null, j.line)
	if depth > maxNesting {
		return n, j.wrong("the text is nested too deeply")
	}
	var err error
	switch c := j.peek(); {
	case c == '{':
		n.kind = object
		err = j.object(&n, depth)
	case c == '[':
		n.kind = list
		err = j.list(&n, depth)
	case c == '"':
		n.kind = text
		n.text, err = j.str(&n)
	case c == '-' || c >= '0' && c <= '9':
		n.kind = number
		if n.text = j.number(); n.text == "" {
			return n, j.wrong("a number is not written as JSON has it")
		}
		j.checkNumber(&n)
	case j.word("true"), j.word("false"):
		n.kind, n.text = boolean, j.src[j.i-4:j.i]
		if n.text != "true" {
			n.text = "false"
		}
	case j.word("null"):
	case j.i == len(j.src):
		err = j.wrong("the text ends where a value is expected")
	default:
		err = j.wrong("a value is expected here: an object, a list, a string in double quotes, a number, true, false or null")
	}
	j.checkDepth(&n, depth)
	if j.tooMany(&n) {
		n.kind, n.items, n.members = invalid, nil, nil
	}
	return n, err
}

// checkDepth refuses what is nested deeper than plans may be.
func (r *reader) checkDepth(n *node, depth int) {
	if depth < maxDepth || n.kind != list && n.kind != object {
		return
	}
	if depth == maxDepth {
		r.fault(n, CodeOutOfRange, "is nested deeper than %d levels", maxDepth)
	}
	n.kind, n.items, n.members = invalid, nil, nil
}

func (j *jsonReader) word(w string) bool {
	if strings.HasPrefix(j.src[j.i:], w) {
		j.i += len(w)
		return true
	}
	return false
}

func (j *jsonReader) object(n *node, depth int) error {
	j.i++
	names := nameSet{}
	for first := true; ; first = false {
		j.blanks()
		switch c := j.peek(); {
		case c == '}' && first:
			j.i++
			return nil
		case c != '"':
			return j.wrong("the name of a member is expected here, in double quotes")
		}
		at := node{line: j.line, pos: j.count + 1}
		name, err := j.str(&at)
		if err != nil {
			return err
		}
		if j.blanks(); j.peek() != ':' {
			return j.wrong("a colon is expected here, after the name of a member")
		}
		j.i++
		j.blanks()
		j.enter(name)
		v, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		if names.add(n.members, name) {
			n.members = append(n.members, member{name: name, value: v})
		} else {
			j.fault(&at, CodeDuplicateKey, "stands in the same object twice")
		}
		j.leave()
		j.blanks()
		switch j.peek() {
		case ',':
			j.i++
		case '}':
			j.i++
			return nil
		default:
			return j.wrong("a comma or a closing brace is expected here")
		}
	}
}

func (j *jsonReader) list(n *node, depth int) error {
	j.i++
	if j.blanks(); j.peek() == ']' {
		j.i++
		return nil
	}
	for k := 0; ; k++ {
		j.blanks()
		j.enterItem(k)
		v, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		j.leave()
		if int(j.count) <= j.limits.Values {
			n.items = append(n.items, v)
		}
		j.blanks()
		switch j.peek() {
		case ',':
			j.i++
		case ']':
			j.i++
			return nil
		default:
			return j.wrong("a comma or a closing bracket is expected here")
		}
	}
}

// number gives the number at which the text is; "" if it is none.
func (j *jsonReader) number() string {
	start := j.i
	if j.peek() == '-' {
		j.i++
	}
	switch {
	case j.peek() == '0':
		j.i++
	case !j.digits():
		return ""
	}
	if j.peek() == '.' {
		j.i++
		if !j.digits() {
			return ""
		}
	}
	if c := j.peek(); c == 'e' || c == 'E' {
		j.i++
		if c := j.peek(); c == '+' || c == '-' {
			j.i++
		}
		if !j.digits() {
			return ""
		}
	}
	return j.src[start:j.i]
}

func (j *jsonReader) digits() bool {
	start := j.i
	for c := j.peek(); c >= '0' && c <= '9'; c = j.peek() {
		j.i++
	}
	return j.i > start
}

// str reads the string at which the text is.
func (j *jsonReader) str(n *node) (string, error) {
	j.i++
	start := j.i
	for ; j.i < len(j.src); j.i++ {
		switch c := j.src[j.i]; {
		case c == '"':
			j.i++
			return j.src[start : j.i-1], nil
		case c == '\\':
			return j.escaped(n, start)
		case c < ' ':
			return "", j.wrong("a string holds a control character that is not escaped")
		}
	}
	return "", j.wrong("a string is not closed")
}

// escaped reads on in a string that has an escape.
func (j *jsonReader) escaped(n *node, start int) (string, error) {
	b := append([]byte(nil), j.src[start:j.i]...)
	for j.i < len(j.src) {
		c := j.src[j.i]
		j.i++
		switch {
		case c == '"':
			j.checkText(n, b)
			return string(b), nil
		case c < ' ':
			return "", j.wrong("a string holds a control character that is not escaped")
		case c != '\\':
			b = append(b, c)
			continue
		}
		e := j.peek()
		j.i++
		if e == 'u' {
			r, ok := j.unit()
			if !ok {
				return "", j.wrong("a string has an escape that JSON does not know")
			}
			b = utf8.AppendRune(b, j.pair(n, r))
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, e)
		if k < 0 || e == 0 {
			return "", j.wrong("a string has an escape that JSON does not know")
		}
		b = append(b, "\"\\/\b\f\n\r\t"[k])
	}
	return "", j.wrong("a string is not closed")
}

// checkText refuses the one character that PostgreSQL cannot keep.
func (r *reader) checkText(n *node, b []byte) {
	if bytes.IndexByte(b, 0) >= 0 {
		r.fault(n, CodeOutOfRange, "holds the null character, which cannot be stored")
	}
}

// pair joins a surrogate with its other half.
func (j *jsonReader) pair(n *node, r rune) rune {
	if !utf16.IsSurrogate(r) {
		return r
	}
	before := j.i
	if j.word(`\u`) {
		if low, ok := j.unit(); ok {
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				return whole
			}
		}
		j.i = before
	}
	j.fault(n, CodeOutOfRange, "holds half a character (a surrogate without its other half)")
	return utf8.RuneError
}

// unit reads the four digits of \uXXXX.
func (j *jsonReader) unit() (rune, bool) {
	if len(j.src)-j.i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(j.src[j.i : j.i+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	j.i += 4
	return r, true
}
