package replica

import (
	"crypto/tls"
	"net"
)

// encrypted puts TLS before a listener where the configuration says so.
func (c Config) encrypted() (func(net.Listener) net.Listener, error) {
	if c.TLSCert == "" {
		return func(listener net.Listener) net.Listener { return listener }, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, &ConfigError{What: "the certificate and its key cannot be used: " + err.Error(), Hint: "--tls-cert cert.pem --tls-key key.pem, both in PEM", err: err}
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	return func(listener net.Listener) net.Listener { return tls.NewListener(listener, config) }, nil
}
