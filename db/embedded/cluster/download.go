package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// Download is where binaries come from when the machine has none.
type Download struct {
	// Cache is the directory that keeps them. Empty: weir's directory in the user's cache, or
	// /var/cache/weir for root, whose own cache the server's user could not read.
	Cache string
	// Repository is the Maven repository to ask. Empty: the public one.
	Repository string
}

// DownloadMajor is the major version of what is downloaded.
const DownloadMajor = 17

// version is what is downloaded.
const version = embeddedpostgres.V17

// Fetch returns the binaries, from the cache if they are there, else from the network: about 20 MB. Two
// processes may fetch at the same time.
func (d Download) Fetch(ctx context.Context) (Binaries, error) {
	cache, err := d.cache()
	if err != nil {
		return Binaries{}, err
	}
	dir := filepath.Join(cache, "postgres-"+string(version))
	if binaries, err := inspect(ctx, filepath.Join(dir, "bin")); err == nil {
		return binaries, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("download PostgreSQL: %w", err)
	}
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return Binaries{}, fmt.Errorf("download PostgreSQL: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a left-over is only in the way
	if err := d.extract(ctx, work); err != nil {
		return Binaries{}, fmt.Errorf("download PostgreSQL %s: %w", version, err)
	}
	extracted := filepath.Join(work, "postgres")
	if _, err := inspect(ctx, filepath.Join(extracted, "bin")); err != nil {
		return Binaries{}, fmt.Errorf("download PostgreSQL %s: %w", version, err)
	}
	// Somebody else may have been quicker, or have left half of it: then theirs, or ours in its place.
	if err := os.Rename(extracted, dir); err != nil {
		if binaries, err := inspect(ctx, filepath.Join(dir, "bin")); err == nil {
			return binaries, nil
		}
		if err := errors.Join(os.RemoveAll(dir), os.Rename(extracted, dir)); err != nil {
			return Binaries{}, fmt.Errorf("download PostgreSQL: %w", err)
		}
	}
	return inspect(ctx, filepath.Join(dir, "bin"))
}

// extract has the library download and unpack into work/postgres. The library only knows how to start a
// whole server; a locale that does not exist makes it stop after unpacking, at initdb, before anything runs.
// So its error says nothing unless the binaries are missing.
func (d Download) extract(ctx context.Context, work string) error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	config := embeddedpostgres.DefaultConfig().
		Version(version).
		Port(uint32(port)).
		CachePath(filepath.Join(work, "cache")).
		RuntimePath(filepath.Join(work, "run")).
		DataPath(filepath.Join(work, "data")).
		BinariesPath(filepath.Join(work, "postgres")).
		Locale("none@" + strconv.Itoa(port)).
		Logger(discard{})
	if d.Repository != "" {
		config = config.BinaryRepositoryURL(d.Repository)
	}
	done := make(chan error, 1)
	go func() {
		postgres := embeddedpostgres.NewDatabase(config)
		err := postgres.Start()
		if err == nil {
			err = postgres.Stop() // musl knows every locale
		}
		done <- err
	}()
	select {
	case <-ctx.Done():
		return ctx.Err() // the library cannot be stopped; it gives up by itself
	case err = <-done:
	}
	http.DefaultClient.CloseIdleConnections() // the library's
	if _, statErr := os.Stat(filepath.Join(work, "postgres", "bin", "postgres")); statErr != nil {
		return err
	}
	return nil
}

// cache is the directory that keeps downloads.
func (d Download) cache() (string, error) {
	if d.Cache != "" {
		return d.Cache, nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/weir", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	return filepath.Join(dir, "weir"), nil
}

// discard takes what the library prints.
type discard struct{}

// Write drops p.
func (discard) Write(p []byte) (int, error) { return len(p), nil }
