package netguard

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	g := New(nil)
	for _, addr := range []string{
		"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.9.9",
		"198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "::ffff:0:127.0.0.1",
	} {
		var refused *RefusedError
		require.ErrorAs(t, g.Check(netip.MustParseAddr(addr)), &refused, addr)
	}
	for _, addr := range []string{
		"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "198.20.0.1", "223.255.255.254",
		"2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
	} {
		require.NoError(t, g.Check(netip.MustParseAddr(addr)), addr)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	g := New([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")})
	for _, addr := range []string{"10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1"} {
		require.NoError(t, g.Check(netip.MustParseAddr(addr)), addr)
	}
	for _, addr := range []string{"10.2.0.1", "127.0.0.1", "fc00::1", "64:ff9b::10.2.0.1"} {
		require.Error(t, g.Check(netip.MustParseAddr(addr)), addr)
	}
}

func TestDialerChecksWhatNamesMean(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"} {
		_, err := New(nil).Dialer().DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		var refused *RefusedError
		require.ErrorAs(t, err, &refused, host)
	}
	conn, err := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Dialer().DialContext(t.Context(), "tcp4", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_, err = New(nil).Dialer().DialContext(t.Context(), "unix", "/nonexistent")
	require.Error(t, err)
}
