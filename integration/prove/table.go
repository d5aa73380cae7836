//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// table tells what happened.
func (p *proof) table(report check.Report) {
	entries, err := ledger.Read(p.cluster.Dir)
	if err != nil {
		p.Logf("%v", err)
	}
	took, counts, total := recoveries(p.played, entries), map[string]int{}, 0
	for _, f := range p.played {
		counts[f.Kind]++
		total++
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nfault\ttimes\trecovery p50\tp99\tmax\t\n")
	for _, k := range kinds() {
		if s := took[k.name]; counts[k.name] > 0 {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t\n", k.name, counts[k.name], short(s, s.at(50)), short(s, s.at(99)), short(s, s.at(100)))
		}
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "%d faults of %d kinds\n", total, len(counts))
	fmt.Fprintf(&b, "(recovery: to the next start of a step, from the end of a fault of the server, from the beginning of one of a replica)\n\n")
	for _, kind := range []string{kill, freeze} {
		if s := movedOn(p.played, entries, p.watcher.Moves())[kind]; len(s) > 0 {
			fmt.Fprintf(&b, "%s: %d steps were held and moved on after %s p50, %s p99, %s max, with a lease of %s\n", kind, len(s), short(s, s.at(50)), short(s, s.at(99)), short(s, s.at(100)), lease)
		}
	}
	fmt.Fprintf(&b, "%d runs · %d steps · %d transitions · %d executions · %d late reports · %d repairs\n",
		report.Runs, report.Steps, report.Transitions, report.Executions, report.LateReports, report.Repairs)
	done := p.workload.Counts()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(done)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, done[name]))
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(parts, " · "))
	p.Logf("%s", b.String())
}

func short(s spread, d time.Duration) string {
	if len(s) == 0 {
		return "–"
	}
	return d.Round(time.Millisecond).String()
}

// conclude says PASS, or FAIL and why, and keeps what one needs to find out.
func (p *proof) conclude(report check.Report) error {
	if len(report.Violations) == 0 && !p.Keep {
		p.Logf("PASS")
		return nil
	}
	dir, err := p.keep(report)
	if err != nil {
		p.Logf("keep the artefacts: %v", err)
	}
	if len(report.Violations) == 0 {
		p.Logf("artefacts: %s\nPASS", dir)
		return nil
	}
	for i, v := range report.Violations {
		if i == 20 {
			p.Logf("and %d more", len(report.Violations)-i)
			break
		}
		p.Logf("%s", v)
	}
	p.Logf("FAIL: %s · seed %d · %s", report.Violations[0], p.Seed, dir)
	return errFailed
}

var errFailed = errors.New("the proof has failed")

// keep copies logs, ledger, evidence, schedule and the whole schema to a directory that stays.
func (p *proof) keep(report check.Report) (string, error) {
	dir := p.Artefacts
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", fmt.Sprintf("weir-proof-%d-", p.Seed)); err != nil {
			return "", err
		}
	}
	errs := []error{os.MkdirAll(dir, 0o755)}
	for _, pattern := range []string{"*.stderr", "*.stdout", "*.jsonl"} {
		files, err := filepath.Glob(filepath.Join(p.cluster.Dir, pattern))
		errs = append(errs, err)
		for _, file := range files {
			errs = append(errs, copyFile(file, filepath.Join(dir, filepath.Base(file))))
		}
	}
	var found strings.Builder
	for _, v := range report.Violations {
		fmt.Fprintln(&found, v)
	}
	errs = append(errs,
		copyFile(p.server.LogFile(), filepath.Join(dir, "postgres.log")),
		os.WriteFile(filepath.Join(dir, "violations.txt"), []byte(found.String()), 0o600),
		os.WriteFile(filepath.Join(dir, "schedule.txt"), []byte(listing(p.faults)), 0o600),
		p.dump(filepath.Join(dir, "database.dump")))
	return dir, errors.Join(errs...)
}

// dump writes what is in the database, for pg_restore, if there is a pg_dump.
func (p *proof) dump(file string) error {
	path, err := exec.LookPath("pg_dump")
	if err != nil {
		p.Logf("the database is not kept: there is no pg_dump")
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.Context()), checks)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--format=custom", "--file="+file, p.server.URL).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
