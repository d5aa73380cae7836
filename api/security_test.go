package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckBind(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:8080", "localhost:0", "[::1]:8080"} {
		require.NoError(t, CheckBind(address, AuthAuto), address)
	}
	for _, address := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "weir.example:8080", "127.0.0.1.example:80"} {
		require.ErrorContains(t, CheckBind(address, AuthAuto), "--auth none", address)
		require.NoError(t, CheckBind(address, AuthNone), address)
	}
	require.ErrorContains(t, CheckBind("8080", AuthAuto), "HOST:PORT")
	require.ErrorContains(t, CheckBind("127.0.0.1:8080", "token"), "not supported yet")
}
