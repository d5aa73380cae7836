package mutants

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Most is how many lines a mutant may add and remove together.
const Most = 20

// Mutant is a diff.
type Mutant struct {
	Name  string
	File  string // its path
	About string // what it does, in one line
	Args  string // what prove is called with beside --minutes
	Lines int    // added and removed
}

// List reads the mutants of a checkout whose root is given, by name.
func List(root string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, "integration", "mutants", "*.diff"))
	if err != nil {
		return nil, fmt.Errorf("list the mutants: %w", err)
	}
	var all []Mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a mutant: %w", err)
		}
		all = append(all, parse(file, string(text)))
	}
	return all, nil
}

// parse reads a diff. Before it are lines with a #: what it does, and "prove:" with arguments.
func parse(file, text string) Mutant {
	m := Mutant{Name: strings.TrimSuffix(filepath.Base(file), ".diff"), File: file}
	var about []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		note, isNote := strings.CutPrefix(line, "# ")
		args, isArgs := strings.CutPrefix(note, "prove: ")
		switch {
		case isNote && isArgs:
			m.Args = args
		case isNote:
			about = append(about, note)
		case strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, "--- "):
		case strings.HasPrefix(line, "+"), strings.HasPrefix(line, "-"):
			m.Lines++
		}
	}
	m.About = strings.Join(about, " ")
	return m
}

// Apply changes the checkout in dir; with check it only says whether it could. Nothing near enough is changed instead.
func (m Mutant) Apply(dir string, check bool) error {
	args := []string{"apply"}
	if check {
		args = append(args, "--check")
	}
	cmd := exec.Command("git", append(args, m.File)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apply mutant %s: %w: %s", m.Name, err, out)
	}
	return nil
}
