package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
)

// answerFlags are the flags of commands that answer with what the server has.
type answerFlags struct {
	outputFlags

	Quiet bool `short:"q" help:"Print ids only."`
}

// check refuses flags that exclude each other.
func (f answerFlags) check() error {
	if f.Quiet && f.Output != "table" {
		return &usageError{what: "-q prints ids only, and -o " + f.Output + " everything: give one of them", try: "-o " + f.Output}
	}
	return nil
}

// resource prints one resource: as the server sent it, or its id, or what table writes.
func (f answerFlags) resource(w io.Writer, raw json.RawMessage, id string, table func(*tableWriter)) error {
	switch {
	case f.Quiet:
		return printIDs(w, id)
	case f.Output == "table":
		return f.print(w, nil, table)
	}
	return f.raw(w, raw)
}

// raw prints JSON that the server sent.
func (f answerFlags) raw(w io.Writer, raw json.RawMessage) error {
	if f.Output == "yaml" {
		return printYAML(w, raw)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, raw, "", "  "); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	text.WriteByte('\n')
	return printText(w, escapeControls(text.Bytes()))
}

// printIDs prints ids, one a line.
func printIDs(w io.Writer, ids ...string) error {
	var text bytes.Buffer
	for _, id := range ids {
		text.WriteString(printable(id) + "\n")
	}
	return printText(w, text.Bytes())
}

func printText(w io.Writer, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// page is a list as the API has it: the items as they came.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  *string           `json:"next"`
}

// list is page with the same items as values.
type list[T any] struct {
	page

	values []T
}

// read reads pages from cursor on (nil: the first one) until there are no more, or the list has most items; 0: all.
// fetch gives the JSON of one page.
func (l *list[T]) read(cursor *string, most int, fetch func(limit *int64, cursor *string) (json.RawMessage, error)) error {
	for {
		size := int64(maxPage)
		if most > 0 {
			size = min(size, int64(most-len(l.values)))
		}
		raw, err := fetch(&size, cursor)
		if err != nil {
			return err
		}
		if err := l.add(raw); err != nil {
			return fmt.Errorf("understand the answer of the server: %w", err)
		}
		if l.Next == nil || len(l.values) == most {
			return nil
		}
		cursor = l.Next
	}
}

// add adds a page to the list, and takes its cursor for the list's.
func (l *list[T]) add(raw json.RawMessage) error {
	var p page
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	for _, item := range p.Items {
		var v T
		if err := json.Unmarshal(item, &v); err != nil {
			return err
		}
		l.Items, l.values = append(l.Items, item), append(l.values, v)
	}
	l.Next = p.Next
	return nil
}

// printList prints a list: one page with everything, or ids, or what table writes.
func printList[T any](f answerFlags, w io.Writer, l list[T], id func(T) string, table func(*tableWriter)) error {
	switch {
	case f.Quiet:
		ids := make([]string, len(l.values))
		for i, v := range l.values {
			ids[i] = id(v)
		}
		return printIDs(w, ids...)
	case f.Output == "table":
		return f.print(w, nil, table)
	}
	if l.Items == nil {
		l.Items = []json.RawMessage{}
	}
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l.page); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return f.raw(w, raw.Bytes())
}

// escapeControls writes characters of JSON that a terminal would act upon, and that JSON allows as they are, as escapes.
// They stand in strings only: the value is the same.
func escapeControls(text []byte) []byte {
	acted := func(r rune) bool { return r > '~' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) }
	if bytes.IndexFunc(text, acted) < 0 {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		if acted(r) {
			fmt.Fprintf(&out, "\\u%04x", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}
