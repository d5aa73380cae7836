package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Superuser is the name of the database user that every data directory is made with.
const Superuser = "postgres"

// Init makes a data directory in dir, which must not exist or be empty, and gives it to the account. Its
// superuser is [Superuser] and has the password; connections need it. The encoding is UTF-8 and the
// collation C, so that no machine's locale matters.
func Init(ctx context.Context, binaries Binaries, account Account, dir, password string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := account.Own(dir); err != nil {
		return err
	}
	file, err := passwordFile(account, filepath.Dir(dir), password)
	if err != nil {
		return err
	}
	defer os.Remove(file) //nolint:errcheck // only its owner could read it
	cmd := exec.CommandContext(ctx, binaries.Path("initdb"), "-D", dir, "-U", Superuser, "-A", "scram-sha-256",
		"--pwfile="+file, "--no-sync", "--encoding=UTF8", "--locale=C")
	cmd.Dir = dir
	account.Run(cmd)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb of %s: %w: %s", binaries, err, lastLines(output.String(), 3))
	}
	return nil
}

// passwordFile writes the password where initdb can read it and others cannot.
func passwordFile(account Account, dir, password string) (path string, err error) {
	file, err := os.CreateTemp(dir, "password-")
	if err != nil {
		return "", fmt.Errorf("hand the password to initdb: %w", err)
	}
	_, writeErr := file.WriteString(password + "\n")
	if err := errors.Join(writeErr, file.Close(), account.Own(file.Name())); err != nil {
		return "", errors.Join(fmt.Errorf("hand the password to initdb: %w", err), os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// Password is a new random password.
func Password() string { return rand.Text() }

// FreePort is a port of 127.0.0.1 that nobody listened on a moment ago.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}

// URL leads to a database of a server on this machine.
func URL(port int, password, database string) string {
	target := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(Superuser, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return target.String()
}

// Flags are the flags of postgres that listen on a port of 127.0.0.1 and nowhere else, with the settings.
func Flags(port int, settings map[string]string) []string {
	flags := []string{
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port=" + strconv.Itoa(port),
		"-c", "unix_socket_directories=",
	}
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		flags = append(flags, "-c", name+"="+settings[name])
	}
	return flags
}

// DataMajor is the major version that made the data directory; 0 if there is none.
func DataMajor(dir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the data: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read the version of the data: %w", err)
	}
	return major, nil
}

// LogTail is the end of a server's log, for errors.
func LogTail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return lastLines(string(content), 5)
}

// lastLines are the last lines of a text, joined to one.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], " | ")
}
