package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/weirqueue/weir/api"
)

// isLoopback reports whether only this machine can connect to an address.
func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, &ConfigError{What: "--listen is HOST:PORT", Hint: "--listen " + DefaultListen, err: err}
	}
	return api.IsLoopback(host), nil
}

// OnLoopback reports whether only this machine can connect to an address, host:port; "" is the default one.
func OnLoopback(address string) bool {
	if address == "" {
		address = DefaultListen
	}
	loopback, err := isLoopback(address)
	return err == nil && loopback
}

// listen opens the address. Everything that commonly goes wrong is an [Error] with what to do about it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	host, port, _ := net.SplitHostPort(address)
	var unknown *net.DNSError
	var badAddress *net.AddrError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("listen on %s: %w", address, ctx.Err())
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &Error{
			What: fmt.Sprintf("port %s is in use: another process listens on %s", port, address),
			Hint: fmt.Sprintf("--listen %s for any free port; 'ss -ltnp sport = :%s' tells who has this one", net.JoinHostPort(host, "0"), port), err: err,
		}
	case errors.Is(err, syscall.EACCES):
		return nil, &Error{What: fmt.Sprintf("this user may not listen on port %s", port), Hint: "--listen with a port above 1023", err: err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, &Error{What: fmt.Sprintf("%s is no address of this machine", host), Hint: "--listen " + DefaultListen, err: err}
	case errors.As(err, &unknown):
		return nil, &Error{What: fmt.Sprintf("the host of --listen is not known: %s", unknown.Err), Hint: "--listen " + DefaultListen, err: err}
	case errors.As(err, &badAddress):
		return nil, &ConfigError{What: "--listen is HOST:PORT", Hint: "--listen " + DefaultListen, err: err}
	}
	return nil, &Error{What: fmt.Sprintf("cannot listen on %s: %v", address, errors.Unwrap(err)), Hint: "--listen " + DefaultListen, err: err}
}
