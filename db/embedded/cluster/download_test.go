package cluster

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive has bin/ with scripts in it that say that they are PostgreSQL 17.5.
//
//go:embed testdata/postgres.txz
var archive []byte

// repository serves the archive as a Maven repository does, and counts how often.
func repository(t *testing.T, content []byte) (url string, served *atomic.Int32) {
	t.Helper()
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	file, err := writer.Create("postgres-linux-x86_64.txz")
	require.NoError(t, err)
	_, err = file.Write(content)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	sum := sha256.Sum256(jar.Bytes())
	served = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			_, _ = w.Write([]byte(hex.EncodeToString(sum[:])))
			return
		}
		served.Add(1)
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	return server.URL, served
}

func TestDownloadOnce(t *testing.T) {
	t.Parallel()
	url, served := repository(t, archive)
	download := Download{Cache: filepath.Join(t.TempDir(), "cache"), Repository: url}
	for range 2 {
		binaries, err := download.Fetch(t.Context())
		require.NoError(t, err)
		require.Equal(t, DownloadMajor, binaries.Major)
		require.Equal(t, filepath.Join(download.Cache, "postgres-"+string(version), "bin"), binaries.Dir)
	}
	require.EqualValues(t, 1, served.Load())
	left, err := filepath.Glob(filepath.Join(download.Cache, "download-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDownloadByManyAtOnce(t *testing.T) {
	t.Parallel()
	url, _ := repository(t, archive)
	download := Download{Cache: filepath.Join(t.TempDir(), "cache"), Repository: url}
	var group sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		group.Go(func() { _, errs[i] = download.Fetch(t.Context()) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestDownloadThatFails(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	broken, _ := repository(t, []byte("no archive"))
	for name, url := range map[string]string{"not there": gone.URL, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(t.TempDir(), "cache")
			_, err := Download{Cache: cache, Repository: url}.Fetch(t.Context())
			require.ErrorContains(t, err, "download PostgreSQL "+string(version))
			left, err := filepath.Glob(filepath.Join(cache, "*"))
			require.NoError(t, err)
			require.Empty(t, left, "no half of anything stays")
		})
	}
}

func TestDownloadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-stuck
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stuck) })
	_, err := Download{Cache: filepath.Join(t.TempDir(), "cache"), Repository: server.URL}.Fetch(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
