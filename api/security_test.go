package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "localhost", "::1", "[::1]", "weir.localhost"} {
		require.True(t, IsLoopback(host), host)
	}
	for _, host := range []string{"", "0.0.0.0", "::", "192.0.2.1", "weir.example", "127.0.0.1.example"} {
		require.False(t, IsLoopback(host), host)
	}
}
