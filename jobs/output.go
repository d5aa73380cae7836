package jobs

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/weirqueue/weir/lifecycle"
)

// maxOutputDepth is how deep an output may be nested.
const maxOutputDepth = 100

// Why an output could not be kept.
const (
	outputTooLarge      = "too_large"
	outputInvalidJSON   = "invalid_json"
	outputInvalidUTF8   = "invalid_utf8"
	outputNullCharacter = "null_character"
	outputTooDeep       = "too_deep"
)

// output is what a handler produced: JSON, nothing, or something that cannot be kept.
type output struct {
	json    json.RawMessage // nil = none
	problem *lifecycle.OutputError
}

// encodeOutput turns what a handler returned into an output. A nil pointer, map, slice or interface and a struct
// without fields are no output.
func encodeOutput(v any) output {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Invalid:
		return output{}
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if rv.IsNil() {
			return output{}
		}
	case reflect.Struct:
		if rv.NumField() == 0 {
			return output{}
		}
	}
	if raw, ok := v.(json.RawMessage); ok {
		return rawOutput(raw) // as it is: Marshal would refuse what checkOutput can name better
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return output{problem: &lifecycle.OutputError{Code: outputInvalidJSON}}
	}
	return output{json: raw}
}

// rawOutput is the output of a handler that has bytes already; blank bytes are no output.
func rawOutput(raw []byte) output {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return output{}
	}
	return output{json: raw}
}

// checked refuses what the database would refuse, so that it is known before it is sent.
func (o output) checked(limit int64) output {
	if o.problem != nil || o.json == nil {
		return output{problem: o.problem}
	}
	if p := checkOutput(o.json, limit); p != nil {
		return output{problem: p}
	}
	return o
}

// checkOutput says why bytes cannot be kept as JSON, or nil. PostgreSQL's jsonb takes neither NUL nor half a
// surrogate pair, and writes a number like 1e100000 out in full: what a double cannot hold is refused.
func checkOutput(raw []byte, limit int64) *lifecycle.OutputError {
	problem := func(code string) *lifecycle.OutputError {
		return &lifecycle.OutputError{Code: code, Bytes: int64(len(raw))}
	}
	if int64(len(raw)) > limit {
		return problem(outputTooLarge)
	}
	if !utf8.Valid(raw) {
		return problem(outputInvalidUTF8)
	}
	if tooDeep(raw) {
		return problem(outputTooDeep)
	}
	if !json.Valid(raw) {
		return problem(outputInvalidJSON)
	}
	if code := oddToken(raw); code != "" {
		return problem(code)
	}
	return nil
}

// tooDeep counts brackets outside of strings; it needs no valid JSON.
func tooDeep(raw []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxOutputDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// oddToken finds, in valid JSON, strings and numbers that cannot be stored.
func oddToken(raw []byte) string {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			end, code := oddString(raw, i)
			if code != "" {
				return code
			}
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(raw) && bytes.IndexByte([]byte("+-.eE0123456789"), raw[end]) >= 0 {
				end++
			}
			if oddNumber(string(raw[i:end])) {
				return outputInvalidJSON
			}
			i = end
		default:
			i++
		}
	}
	return ""
}

// oddString scans the string that opens at i and gives the place after its end.
func oddString(raw []byte, i int) (end int, code string) {
	high := false // the character before was the first half of a surrogate pair
	for i++; ; {
		c := raw[i]
		escape := c == '\\' && raw[i+1] == 'u'
		if high && !escape {
			return 0, outputInvalidUTF8
		}
		switch {
		case c == '"':
			return i + 1, ""
		case escape:
			n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
			switch {
			case err != nil:
				return 0, outputInvalidJSON
			case n == 0:
				return 0, outputNullCharacter
			case high != (n >= 0xdc00 && n <= 0xdfff):
				return 0, outputInvalidUTF8
			}
			high = n >= 0xd800 && n <= 0xdbff
			i += 6
		case c == '\\':
			i += 2
		default:
			i++
		}
	}
}

func oddNumber(s string) bool {
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		return true
	}
	if e := bytes.IndexAny([]byte(s), "eE"); e >= 0 {
		n, err := strconv.Atoi(s[e+1:])
		return err != nil || n < -400
	}
	return false
}
