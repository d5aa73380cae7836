package jobs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirqueue/weir/jobs/netguard"
	"github.com/weirqueue/weir/lifecycle"
)

// httpOutput is the output of kind http.
type httpOutput struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers" jsonschema:"by lower-case name; several values are joined with a comma"`
	Body    any               `json:"body" jsonschema:"JSON if the response's type says so, else a string"`
}

// httpKind makes one request.
type httpKind struct{ guard *netguard.Guard }

func registerHTTP(reg *Registry, c BuiltinConfig) error {
	h := &httpKind{guard: netguard.New(c.HTTPAllow)}
	return handle(reg, "http", reflect.TypeFor[httpOutput](), h.run)
}

// run makes the request and judges the response.
func (h *httpKind) run(ctx context.Context, in httpInput) (output, error) {
	in.withDefaults()
	req, err := in.request(ctx, FromContext(ctx).IdempotencyKey())
	if err != nil {
		return output{}, err
	}
	transport := h.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: in.checkRedirect}
	res, err := client.Do(req)
	if err != nil {
		return output{}, connectionFailure(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, in.MaxResponse+1))
	if err != nil {
		return output{}, connectionFailure(ctx, err)
	}
	if !in.Expect.has(res.StatusCode) {
		return output{}, unexpectedStatus(res, body)
	}
	if int64(len(body)) > in.MaxResponse {
		return output{}, &Failure{
			Code: "response_too_large", Message: fmt.Sprintf("the response is larger than max_response, %d bytes", in.MaxResponse),
			Permanent: true, Detail: map[string]int{"status": res.StatusCode},
		}
	}
	return responseOutput(res, body), nil
}

// transport is of one attempt alone: no proxy, no connection that is kept, and every address is judged.
func (h *httpKind) transport() *http.Transport {
	return &http.Transport{
		Proxy: nil, DialContext: h.guard.Dialer().DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSHandshakeTimeout: 30 * time.Second, MaxResponseHeaderBytes: 256 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// connectionFailure is a request without a whole response. Most of these may pass.
func connectionFailure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	f := &Failure{Code: "connection", Err: err}
	var refused *netguard.RefusedError
	var redirect *redirectError
	switch {
	case errors.As(err, &refused):
		return &Failure{
			Code: "address_refused", Message: refused.Error() + "; --http-allow of the replica names those that it may reach", Permanent: true,
		}
	case errors.As(err, &redirect):
		return &Failure{Code: "redirect_refused", Message: redirect.Error(), Permanent: true}
	case badCertificate(err):
		f.Code, f.Permanent = "certificate", true
	}
	return f
}

func badCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// retryableStatus lists the responses after which another try may help.
var retryableStatus = [...]int{408, 425, 429, 500, 502, 503, 504}

const maxBodyInError = 2 << 10

// unexpectedStatus is a response that the step did not expect.
func unexpectedStatus(res *http.Response, body []byte) error {
	return &Failure{
		Code: "unexpected_status", Message: fmt.Sprintf("the response's status is %d", res.StatusCode),
		Permanent:  !slices.Contains(retryableStatus[:], res.StatusCode),
		RetryAfter: retryAfter(res.Header),
		Detail:     map[string]any{"status": res.StatusCode, "body": cut(clean(string(body[:min(len(body), maxBodyInError)])), maxBodyInError)},
	}
}

// responseOutput is {status, headers, body}. A body that is no text cannot be kept, and neither can the output.
func responseOutput(res *http.Response, body []byte) output {
	out := httpOutput{Status: res.StatusCode, Headers: map[string]string{}}
	for name, values := range res.Header {
		out.Headers[strings.ToLower(name)] = clean(strings.Join(values, ", "))
	}
	switch {
	case isJSON(res.Header.Get("Content-Type")) && json.Valid(body):
		out.Body = json.RawMessage(body)
	case !utf8.Valid(body):
		return output{problem: &lifecycle.OutputError{Code: outputInvalidUTF8, Bytes: int64(len(body))}}
	default:
		out.Body = string(body)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return output{problem: &lifecycle.OutputError{Code: outputInvalidJSON, Bytes: int64(len(body))}}
	}
	return rawOutput(buf.Bytes())
}
