package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/weirqueue/weir/replica"
)

// gitWithin bounds how long git may take.
const gitWithin = 30 * time.Second

// shortRevision is how many characters of its revision a build has in its name.
const shortRevision = 12

// checkout is a directory under git.
type checkout struct {
	revision string
	modified bool // there is something that is not committed
}

// built is something that runs, and what it was built from.
type built struct{ what, build string }

// readCheckout asks git about a directory.
func readCheckout(ctx context.Context, dir string) (checkout, error) {
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return checkout{}, fmt.Errorf("there is no directory %s", dir)
	}
	head, err := git(ctx, dir, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return checkout{}, err
	}
	status, err := git(ctx, dir, "status", "--porcelain")
	if err != nil {
		return checkout{}, err
	}
	return checkout{revision: head, modified: status != ""}, nil
}

// git runs git in a directory, and answers what it says.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitWithin)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	said := strings.TrimSpace(stderr.String())
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("git is not installed here")
	case ctx.Err() != nil:
		return "", fmt.Errorf("git %s did not end within %s", args[0], gitWithin)
	case err != nil && said != "":
		return "", fmt.Errorf("%s is no git checkout with a commit: git says: %s", dir, strings.ReplaceAll(said, "\n", " "))
	case err != nil:
		return "", fmt.Errorf("run git %s in %s: %w", args[0], dir, err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// source looks at whether what runs was built from a checkout.
func (e *examination) source(ctx context.Context) (finding, error) {
	have, err := readCheckout(ctx, e.checkout)
	if err != nil {
		return finding{}, err
	}
	rows, err := e.q().DoctorWorkers(ctx, 1000)
	if err != nil {
		return finding{}, err
	}
	builds := []built{{"this binary", replica.ReadBuild().String()}}
	for _, w := range rows {
		if !w.Expired {
			builds = append(builds, built{fmt.Sprintf("%s on %s (%s)", w.Name, w.Host, w.ID), w.Build})
		}
	}
	return compareSource(have, builds), nil
}

// revisionInBuild finds the revision in the name of a build.
var revisionInBuild = regexp.MustCompile(`(?:^|-|\.)([0-9a-f]{12})(?:\+|$)`)

// compareSource compares builds with a checkout.
func compareSource(have checkout, builds []built) finding {
	short := have.revision[:min(shortRevision, len(have.revision))]
	f := finding{Status: statusOK, Message: fmt.Sprintf("what runs was built from the checkout's revision, %s", short)}
	wrong := 0
	var unclear []string
	for _, b := range builds {
		match := revisionInBuild.FindStringSubmatch(b.build)
		switch {
		case match == nil:
			unclear = append(unclear, fmt.Sprintf("%s: build %q does not say its revision", b.what, b.build))
		case match[1] != short:
			wrong++
			f.Details = append(f.Details, fmt.Sprintf("%s: build %s, and the checkout is at %s", b.what, b.build, short))
		case strings.Contains(b.build, "+dirty"):
			unclear = append(unclear, fmt.Sprintf("%s: build %s had changes that were not committed", b.what, b.build))
		}
	}
	if have.modified {
		unclear = append(unclear, "the checkout has changes that are not committed")
	}
	switch {
	case wrong > 0:
		f.Status, f.Message = statusWrong, fmt.Sprintf("%d of %d were built from something else than the checkout", wrong, len(builds))
		f.Hint = "build and deploy the checkout, or check out what was deployed"
	case len(unclear) > 0:
		f.Status, f.Message = statusUnusual, fmt.Sprintf("it cannot be told whether what runs was built from %s as it is in the checkout", short)
	}
	f.Details = shorten(append(f.Details, unclear...))
	return f
}
