package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// health asks a server whether it is well: for HEALTHCHECK and the like.
type health struct {
	Server  string        `setting:"" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server to ask."`
	Ready   bool          `help:"Ask whether it does its work now, not only whether it lives."`
	Timeout time.Duration `default:"3s" help:"How long it may take."`
}

// Run implements the command.
func (c *health) Run(inv *invocation) error {
	base, err := url.Parse(c.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return &usageError{what: "--server is http://HOST:PORT or https://HOST:PORT", try: "weir health --server http://127.0.0.1:8080"}
	}
	path := "healthz"
	if c.Ready {
		path = "readyz"
	}
	ctx, cancel := context.WithTimeout(inv.ctx, c.Timeout)
	defer cancel()
	status, code, err := askHealth(ctx, base.JoinPath(path).String())
	switch {
	case err != nil:
		return &failure{what: "the server cannot be asked: " + reason(err), try: "is it running there? 'weir serve' runs one", err: err}
	case code != http.StatusOK:
		return &failure{what: fmt.Sprintf("the server is not well: %s (%d)", status, code), try: "see its log"}
	}
	_, err = fmt.Fprintln(inv.stdout, printable(status))
	return err
}

// askHealth answers the status in the server's words.
func askHealth(ctx context.Context, address string) (status string, code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, err
	}
	transport := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", 0, err
	}
	var ok struct {
		Status string `json:"status"`
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	switch {
	case json.Unmarshal(raw, &ok) == nil && ok.Status != "":
		return ok.Status, res.StatusCode, nil
	case json.Unmarshal(raw, &problem) == nil && problem.Detail != "":
		return problem.Detail, res.StatusCode, nil
	}
	return strings.ToLower(http.StatusText(res.StatusCode)), res.StatusCode, nil
}

// reason is what is behind the error of a request, without the request.
func reason(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return "no answer in time"
		}
		err = wrapped.Err
	}
	return err.Error()
}
