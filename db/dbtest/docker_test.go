package dbtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// fakeEngine answers as Docker does when it is asked for an image and to pull one.
func fakeEngine(t *testing.T) *client.Client {
	t.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.50")
		image := r.URL.Query().Get("fromImage")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.Contains(r.URL.Path, "/images/here"):
			_, _ = w.Write([]byte(`{"Id": "sha256:1"}`))
		case strings.HasSuffix(r.URL.Path, "/json"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message": "no such image"}`))
		case strings.Contains(image, "refused"):
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"message": "no way to the registry"}`))
		case strings.Contains(image, "breaks"):
			_, _ = w.Write([]byte(`{"status": "Pulling"}` + "\n" + `{"errorDetail": {"message": "layer is gone"}, "error": "layer is gone"}`))
		case strings.Contains(image, "hangs"):
			_, _ = w.Write([]byte(`{"status": "Pulling"}` + "\n"))
			w.(http.Flusher).Flush()
			select {
			case <-over:
			case <-r.Context().Done():
			}
		default:
			_, _ = w.Write([]byte(`{"status": "Pulling"}` + "\n" + `{"status": "Downloaded"}`))
		}
	}))
	engine, err := client.New(client.WithHost(strings.Replace(server.URL, "http://", "tcp://", 1)))
	require.NoError(t, err)
	t.Cleanup(func() {
		close(over)
		require.NoError(t, engine.Close())
		server.Close()
	})
	return engine
}

func TestEnsureImage(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"here":    "",
		"pulled":  "",
		"refused": "pull refused: ", // and the engine's words
		"breaks":  "layer is gone",
		"hangs":   "no progress for 100ms",
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			silence := time.Hour
			if image == "hangs" {
				silence = 100 * time.Millisecond
			}
			err := ensureImage(t.Context(), fakeEngine(t), image, silence)
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestEnsureImageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	engine := fakeEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, ensureImage(ctx, engine, "hangs", time.Hour), context.Canceled)
}
