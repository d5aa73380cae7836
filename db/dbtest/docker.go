package dbtest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"

	"github.com/weirqueue/weir/db"
)

//go:embed container.sh
var containerScript string

const (
	// answerWithin is how long the engine may take to say that it is there.
	answerWithin = 5 * time.Second
	// pullSilence is how long a pull may show no progress. An engine without a way to its registry hangs.
	pullSilence = 10 * time.Second
	// runWithin is how long a container may take until its server answers.
	runWithin = time.Minute
)

// openDocker joins the container that test processes share, and starts it first if it does not run. It ends
// by itself, so neither a reaper nor anybody else has to clear it away.
func openDocker(ctx context.Context, e env) (*server, error) {
	provider, err := engine(ctx)
	if err != nil {
		return nil, err
	}
	err = ensureImage(ctx, provider.Client(), e.image, pullSilence)
	if err := errors.Join(err, provider.Close()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	for {
		found, err := runContainer(ctx, e)
		if err == nil {
			return found, nil
		}
		// One that is just ending is still found by its name. It is gone in a moment.
		if ctx.Err() != nil || wait(ctx, time.Second) != nil {
			return nil, fmt.Errorf("run %s: %w", e.image, err)
		}
	}
}

// engine finds the engine and makes sure that it answers.
func engine(ctx context.Context) (*testcontainers.DockerProvider, error) {
	type answer struct {
		provider *testcontainers.DockerProvider
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		// The reaper would take a second image and leave goroutines in every test process. Only
		// testcontainers' own reading of the environment, which is done once, is meant to see this.
		const name = "TESTCONTAINERS_RYUK_DISABLED"
		if _, set := os.LookupEnv(name); !set {
			_ = os.Setenv(name, "true")
			defer func() { _ = os.Unsetenv(name) }()
		}
		provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(quietLog{}))
		answered <- answer{provider, err}
	}()
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case a := <-answered:
		if a.err != nil {
			return nil, fmt.Errorf("no engine answers: %s", strings.ReplaceAll(a.err.Error(), "\n", "; "))
		}
		return a.provider, nil
	case <-timer.C:
		return nil, fmt.Errorf("the engine does not answer within %s", answerWithin)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ensureImage pulls the image unless it is there. It gives up when there is no progress.
func ensureImage(ctx context.Context, engine client.APIClient, image string, patience time.Duration) error {
	inspectCtx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := engine.ImageInspect(inspectCtx, image)
	switch {
	case err == nil:
		return nil
	case !cerrdefs.IsNotFound(err):
		return fmt.Errorf("look for the image %s: %w", image, err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(patience, func() { stop(fmt.Errorf("no progress for %s", patience)) })
	defer silence.Stop()
	var options client.ImagePullOptions
	if _, auth, err := testcontainers.DockerImageAuth(ctx, image); err == nil {
		if encoded, err := authconfig.Encode(auth); err == nil {
			options.RegistryAuth = encoded
		}
	}
	pull, err := engine.ImagePull(ctx, image, options)
	if err != nil {
		return fmt.Errorf("pull %s: %w", image, because(ctx, err))
	}
	defer pull.Close()
	for message, err := range pull.JSONMessages(ctx) {
		silence.Reset(patience)
		if err == nil && message.Error != nil {
			err = message.Error
		}
		if err != nil {
			return fmt.Errorf("pull %s: %w", image, because(ctx, err))
		}
	}
	return nil
}

// because prefers the reason why ctx was ended to the error that it caused.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// runContainer starts the container, or finds it, and connects.
func runContainer(ctx context.Context, e env) (*server, error) {
	sum := sha256.Sum256([]byte(e.image + containerScript))
	name := fmt.Sprintf("weir-test-postgres-%d-%s", os.Getuid(), hex.EncodeToString(sum[:4]))
	settings := settings()
	delete(settings, "log_line_prefix") // its spaces
	command := []string{"-c", containerScript, "sh", seconds(e.idle), seconds(e.kept)}
	for setting, value := range settings {
		command = append(command, "-c", setting+"="+value)
	}
	running, err := postgres.Run(ctx, e.image,
		testcontainers.WithReuseByName(name),
		testcontainers.WithEntrypoint("sh"),
		testcontainers.WithCmd(command...),
		testcontainers.WithLogger(quietLog{}),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) { host.AutoRemove = true }),
	)
	if err != nil {
		return nil, err
	}
	admin, err := running.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("find its address: %w", err)
	}
	for {
		conn, err := db.Connect(ctx, db.Config{URL: admin, AppName: "weir dbtest hold"})
		if err == nil {
			if err := checkServer(ctx, conn); err != nil {
				return nil, errors.Join(err, conn.Close(ctx))
			}
			found := &server{admin: admin, hold: conn}
			found.keep = func() error {
				return found.exec(context.WithoutCancel(ctx), "comment on database postgres is 'kept'")
			}
			return found, nil
		}
		state, stateErr := running.State(ctx)
		if stateErr != nil || !state.Running {
			return nil, err
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// quietLog keeps what testcontainers tells out of the tests' output.
type quietLog struct{}

// Printf drops the line.
func (quietLog) Printf(format string, args ...any) {
	_, _ = format, args
}
