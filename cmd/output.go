package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// outputFlags are the flags of commands that answer with data.
type outputFlags struct {
	Output string `short:"o" enum:"table,json,yaml" default:"table" help:"How to print the answer: table, json or yaml."`
}

// print prints an answer: value as it is in JSON or YAML, or else what table writes.
func (o outputFlags) print(w io.Writer, value any, table func(*tableWriter)) error {
	switch o.Output {
	case "json":
		return printJSON(w, value)
	case "yaml":
		return printYAML(w, value)
	}
	t := newTable(w)
	table(t)
	return t.flush()
}

// printJSON prints a value indented. What steps wrote is escaped by JSON itself.
func printJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// printYAML prints the same members in the same order as JSON does.
func printYAML(w io.Writer, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil { // JSON is YAML
		return fmt.Errorf("print the answer: %w", err)
	}
	blockStyle(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// blockStyle forgets how the JSON was written. Strings keep their quotes where they would be something else without.
func blockStyle(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode || !strings.ContainsFunc(node.Value, unicode.IsControl) {
		node.Style = 0
	}
	for _, child := range node.Content {
		blockStyle(child)
	}
}

// tableWriter writes columns that line up.
type tableWriter struct {
	w   *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *tableWriter {
	return &tableWriter{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row writes one row. Cells are made printable, and an empty one is a dash.
func (t *tableWriter) row(cells ...string) {
	for i, cell := range cells {
		if cells[i] = printable(cell); cell == "" {
			cells[i] = "-"
		}
	}
	t.line(strings.Join(cells, "\t"))
}

// line writes a line that is no row.
func (t *tableWriter) line(text string) {
	if _, err := fmt.Fprintln(t.w, text); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *tableWriter) flush() error {
	if err := t.w.Flush(); err != nil && t.err == nil {
		t.err = err
	}
	if t.err != nil {
		return fmt.Errorf("print the answer: %w", t.err)
	}
	return nil
}

// printable is one line of text without anything that a terminal would act upon: control characters, among them the
// one that begins an escape sequence, and characters that turn the direction of writing. A tab becomes a space.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, text)
}
