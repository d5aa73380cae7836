package cmd

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
	"github.com/weirqueue/weir/replica"
)

// tokenVariable has the token itself. There is no flag for it: command lines are seen by everybody on the machine.
const tokenVariable = "WEIR_TOKEN"

// clientFlags say which server a command speaks to.
type clientFlags struct {
	Server    string `setting:"" default:"http://127.0.0.1:8080" group:"Server" placeholder:"URL" help:"The server to speak to."`
	TokenFile string `setting:"" type:"path" group:"Server" placeholder:"FILE" help:"A file with the token; without it $WEIR_TOKEN is one."`
}

// connection is the server as a command sees it.
type connection struct {
	*client.Weir // gives up after a few tries

	// patient tries again for as long as its context lets it, and tells note about it once.
	patient *client.Weir
	// note says what is no answer and no error. It writes to stderr unless somebody else has to.
	note func(text string)

	flags     clientFlags
	inv       *invocation
	transport *http.Transport
	waits     bool // patient has told that it waits
}

// connect prepares calls to the server; it makes none. The connection has to be closed.
func (f clientFlags) connect(inv *invocation) (*connection, error) {
	base, err := url.Parse(f.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &usageError{what: "--server is http://HOST:PORT or https://HOST:PORT", try: "--server " + client.DefaultServer}
	}
	token, err := f.token(inv)
	if err != nil {
		return nil, err
	}
	c := &connection{flags: f, inv: inv, transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	c.note = func(text string) { fmt.Fprintln(inv.stderr, printable(text)) }
	config := client.Config{
		Server: f.Server, Token: token, UserAgent: "weir/" + replica.ReadBuild().String(),
		HTTP: &http.Client{Transport: c.transport, Timeout: answerWithin},
	}
	if c.Weir, err = client.New(config); err != nil {
		return nil, fmt.Errorf("prepare calls to the server: %w", err)
	}
	config.Attempts, config.MaxBackoff, config.Retrying = math.MaxInt, time.Second, c.retrying
	if c.patient, err = client.New(config); err != nil {
		return nil, fmt.Errorf("prepare calls to the server: %w", err)
	}
	return c, nil
}

// retrying tells once that patient waits.
func (c *connection) retrying(err error, _ time.Duration) {
	if !c.waits {
		c.waits = true
		c.note(c.explain(err).Error() + "; waiting for it")
	}
}

// answered is to be called when patient got an answer: the next time that it waits is told again.
func (c *connection) answered() { c.waits = false }

// close gives up what is kept for more calls.
func (c *connection) close() { c.transport.CloseIdleConnections() }

// token is what the calls are made with; "": none.
func (f clientFlags) token(inv *invocation) (string, error) {
	token := inv.getenv(tokenVariable)
	if f.TokenFile != "" {
		raw, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return "", &failure{what: "the token cannot be read: " + fileReason(err), try: "--token-file FILE with the token alone in it", err: err}
		}
		token = string(raw)
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", &usageError{what: "the token holds characters that a token cannot have", try: "--token-file FILE with the token alone in it"}
	}
	return token, nil
}

// command is a command line that speaks to the same server as this one.
func (c *connection) command(words ...string) string {
	line := []string{"weir"}
	for _, word := range words {
		line = append(line, quoted(word))
	}
	usual := c.inv.getenv(settingName("server"))
	if usual == "" {
		usual = client.DefaultServer
	}
	if c.flags.Server != usual {
		line = append(line, "--server", quoted(c.flags.Server))
	}
	return strings.Join(line, " ")
}

// quoted is a word as a shell needs it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
