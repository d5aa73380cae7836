package replica

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// certificate makes a certificate for 127.0.0.1 and its key, and a client that trusts it.
func certificate(t *testing.T) (cert, key string, trusting *tls.Config) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// seen is an answer without its body.
type seen struct {
	status, major int
	header        http.Header
}

// asked asks for a URL.
func asked(t *testing.T, config *tls.Config, url string) (seen, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return seen{}, err
	}
	require.NoError(t, res.Body.Close())
	return seen{res.StatusCode, res.ProtoMajor, res.Header}, nil
}

func TestReplicaServesTLSAndProfilesApart(t *testing.T) {
	t.Parallel()
	cert, key, trusting := certificate(t)
	debug := freeAddress(t)
	ready := make(chan net.Addr, 1)
	runReplica(t, dbtest.Pool(t), func(c *Config) {
		c.TLSCert, c.TLSKey, c.DebugListen = cert, key, debug
		before := c.Ready
		c.Ready = func(a net.Addr) { ready <- a; before(a) }
	})
	server := (<-ready).String()
	res, err := asked(t, trusting, "https://"+server+"/healthz")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.status)
	require.Equal(t, 2, res.major)
	require.NotEmpty(t, res.header.Get("Strict-Transport-Security"))
	old := trusting.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, err = asked(t, old, "https://"+server+"/healthz")
	require.Error(t, err)
	res, err = asked(t, trusting, "https://"+server+"/debug/pprof/")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, res.status, "never there")
	res, err = asked(t, nil, "http://"+debug+"/debug/pprof/")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.status)
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func TestReplicaBeyondLoopbackNeedsAToken(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	tokens := lifecycle.NewTokens(pool)
	refused := func(auth Auth) error {
		r := &replica{pool: pool, cfg: Config{Listen: "0.0.0.0:0", Auth: auth}}
		return r.checkTokens(t.Context())
	}
	var config *ConfigError
	require.ErrorAs(t, refused(AuthAuto), &config)
	require.Contains(t, config.Hint, "weir token create")
	require.ErrorAs(t, refused(AuthToken), &config)
	require.NoError(t, refused(AuthNone))
	_, _, err := tokens.TokenCreate(t.Context(), lifecycle.TokenRequest{Name: "a", Scopes: []string{"read"}, Actor: "local"})
	require.NoError(t, err)
	require.NoError(t, refused(AuthAuto))
	_, err = tokens.TokenRevoke(context.Background(), "a")
	require.NoError(t, err)
	require.ErrorAs(t, refused(AuthAuto), &config, "there was one, and there is none")
}
