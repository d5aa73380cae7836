//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

// steadyPort is a port of 127.0.0.1 that nobody listens on, and that the kernel gives to nobody who asks for any: while
// its server is down, no connection that is made elsewhere takes it.
func steadyPort() (int, error) {
	low := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &low) // as it is when the kernel is not asked
	}
	const first = 10240
	if low <= first {
		return 0, errors.New("find a steady port: the kernel gives away all of them")
	}
	for range 100 {
		port := first + rand.IntN(low-first)
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("find a steady port: all are in use")
}
