package replica

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRiverLogSaysTheSameNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := riverLogger(slog.New(slog.NewTextHandler(&out, nil))).With("queue", "default")
		for range 1000 {
			logger.Error("no database")
			logger.Info("hello")
		}
		logger.Warn("something else")
		require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
		require.Contains(t, out.String(), "component=river queue=default")
		<-time.After(riverLogEvery) // of the bubble
		logger.Error("no database")
		require.Contains(t, out.String(), "repeated=999")
		require.Equal(t, 3, strings.Count(out.String(), "\n"))
	})
}
