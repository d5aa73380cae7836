// Package netguard decides which addresses a step may reach. Steps come from whoever may submit plans; what stands
// behind the replica's firewall (its own API, its database, the cloud's metadata service) is not theirs.
//
// The decision is made in the dialer, about the address that is about to be connected to: after DNS, so that a name
// cannot mean one thing when it is checked and another when it is used, and at every redirect.
package netguard

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// RefusedError says that an address may not be reached.
type RefusedError struct {
	Addr netip.Addr
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("address %s is private or special and not allowed", e.Addr)
}

// Guard refuses private and special addresses, except those of allowed networks. It may be used concurrently.
type Guard struct {
	allow []netip.Prefix
}

// New returns a Guard that lets through public addresses and the given networks.
func New(allow []netip.Prefix) *Guard { return &Guard{allow: slices.Clone(allow)} }

// Dialer returns a dialer that connects only to what the guard lets through.
func (g *Guard) Dialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, Control: g.control}
}

// control is called with the address of every single connection, after the name was resolved.
func (g *Guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("network %s is not allowed", network)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read the address: %w", err)
	}
	return g.Check(at.Addr())
}

// Check returns a *RefusedError for an address that may not be reached. An IPv4 address inside of an IPv6 one
// (v4-mapped, NAT64, 6to4) counts as itself.
func (g *Guard) Check(addr netip.Addr) error {
	plain := addr.WithZone("").Unmap()
	inner, embedded := embedded4(plain)
	for _, p := range g.allow {
		if p.Contains(plain) || embedded && p.Contains(inner) {
			return nil
		}
	}
	if embedded {
		plain = inner
	}
	if special(plain) {
		return &RefusedError{Addr: addr}
	}
	return nil
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	six2to = netip.MustParsePrefix("2002::/16")    // RFC 3056
	global = netip.MustParsePrefix("2000::/3")     // RFC 4291: all that is global unicast
)

// embedded4 is the IPv4 address that packets to an IPv6 address end up at.
func embedded4(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case a.Is4():
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case six2to.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// special says whether an address is anything but globally reachable unicast (IANA special-purpose address registries).
func special(a netip.Addr) bool {
	if a.Is6() && !global.Contains(a) {
		return true // loopback, link-local, unique local, multicast, v4-compatible, local NAT64 (64:ff9b:1::/48), SRv6, …
	}
	return slices.ContainsFunc(reserved[:], func(p netip.Prefix) bool { return p.Contains(a) })
}

var reserved = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, metadata services
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.31.196.0/24"), // AS112
	netip.MustParsePrefix("192.52.193.0/24"), // AMT
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("192.175.48.0/24"), // AS112
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/4"),     // multicast
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2620:4f:8000::/48"),
	netip.MustParsePrefix("3fff::/20"), // documentation
}
