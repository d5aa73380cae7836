package docs_test

import (
	"fmt"
	"regexp"
	"strings"
)

// block is a fenced block of a page.
type block struct {
	page string // README.md
	line int    // of the fence, from 1
	lang string // sh, console, yaml, go, text
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// blocks are the fenced blocks of a page, in order.
func blocks(page, text string) []block {
	var all []block
	var open *block
	n := 0
	for line := range strings.Lines(text) {
		n++
		rest, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{page: page, line: n, lang: strings.TrimSpace(rest)}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return all
}

// commands are the lines of a block of kind sh that are commands.
func (b block) commands() []string {
	var all []string
	for line := range strings.Lines(b.text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// exchange is a command of a block of kind console, and what it answers.
type exchange struct {
	psql          bool // said to psql, not to the shell
	command, want string
}

const (
	shellPrompt = "$ "
	psqlPrompt  = "weir=# "
	psqlMore    = "weir-# "
)

// exchanges are the commands and answers of a block of kind console.
func (b block) exchanges() []exchange {
	var all []exchange
	for line := range strings.Lines(b.text) {
		command, shell := strings.CutPrefix(line, shellPrompt)
		statement, psql := strings.CutPrefix(line, psqlPrompt)
		more, goesOn := strings.CutPrefix(line, psqlMore)
		switch {
		case shell:
			all = append(all, exchange{command: strings.TrimSpace(command)})
		case psql:
			all = append(all, exchange{psql: true, command: strings.TrimSpace(statement)})
		case goesOn && len(all) > 0:
			all[len(all)-1].command += "\n" + strings.TrimSpace(more)
		case len(all) > 0:
			all[len(all)-1].want += line
		}
	}
	return all
}

// String is the exchange as it stands in a page.
func (e exchange) String() string {
	if !e.psql {
		return shellPrompt + e.command + "\n" + e.want
	}
	return psqlPrompt + strings.ReplaceAll(e.command, "\n", "\n"+psqlMore) + "\n" + e.want
}

// What is another one each time stands in the pages as an example.
var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TOOK"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(ms|µs|m|s))+\b`), "TOOK"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "SERVER"},
	{regexp.MustCompile(` --server SERVER`), ""},
	{regexp.MustCompile(`\(\) line \d+ at`), "() line N at"},
	{regexp.MustCompile(`-{2,}`), "--"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(` ?\n`), "\n"},
}

// alike brings an answer into the form in which it is the same each time.
func alike(answer string) string {
	answer = strings.TrimSpace(answer) + "\n"
	for _, c := range changing {
		answer = c.what.ReplaceAllString(answer, c.name)
	}
	return answer
}
