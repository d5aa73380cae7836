// Command run makes a proof of each mutant, or of those that are named, and fails if one is not found out.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirqueue/weir/integration/mutants"
)

// within is how long a proof of two minutes may take in all; it settles for four.
const within = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	root, err := output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	all, err := mutants.List(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(m mutants.Mutant) bool { return m.Name == name }) {
			return fmt.Errorf("there is no mutant %q", name)
		}
	}
	var survived []string
	for _, m := range all {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		fmt.Fprintf(os.Stdout, "%s (%d lines): %s\n", m.Name, m.Lines, m.About)
		found, err := prove(ctx, root, m)
		if err != nil {
			return err
		}
		if !found {
			survived = append(survived, m.Name)
		}
	}
	if len(survived) > 0 {
		return fmt.Errorf("not found out: %s", strings.Join(survived, ", "))
	}
	return nil
}

// prove makes a proof of a copy with the mutant, and says whether it failed for what it found.
func prove(ctx context.Context, root string, m mutants.Mutant) (found bool, err error) {
	dir, err := os.MkdirTemp("", "weir-mutant-")
	if err != nil {
		return false, fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := copyTree(ctx, root, dir); err != nil {
		return false, err
	}
	if err := m.Apply(dir, false); err != nil {
		return false, err
	}
	if _, err := output(ctx, dir, "go", "build", "./..."); err != nil {
		return false, err
	}
	if _, err := output(ctx, dir, "go", "build", "-o", "prove", "./integration/prove"); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	args := append([]string{"--minutes", "2"}, strings.Fields(m.Args)...) // its artefacts stay
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "prove"), args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return false, fmt.Errorf("make a proof: %w", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "after ") || strings.HasPrefix(line, "FAIL") || line == "PASS" {
			fmt.Fprintf(os.Stdout, "  %s\n", line)
		}
	}
	err = cmd.Wait()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 1 {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("make a proof of %s: %w", m.Name, err)
	}
	return false, nil
}

// copyTree copies what git knows, or would add, as it is now.
func copyTree(ctx context.Context, root, dir string) error {
	list, err := output(ctx, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("copy the checkout: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	about, err := in.Stat()
	if err != nil || !about.Mode().IsRegular() {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, about.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// output runs a command and gives what it says.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimRight(string(out), "\n"), nil
}
