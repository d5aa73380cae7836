package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirqueue/weir/db/embedded/cluster"
)

// elsewhere is where data goes that the server's user could not get at in the directory that was asked for.
const elsewhere = "/var/lib/weir"

// directory is what the user names. It has
//
//	lock          held by the process whose server uses the directory, with its process id
//	data          the data, or a link to it
//	password      of the superuser
//	port          of the last time
//	postgres.log  what the server has to say
type directory struct {
	path      string
	elsewhere string
	lock      *os.File
}

// openDirectory makes the directory and takes its lock.
func openDirectory(path string) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, &Error{What: fmt.Sprintf("the data directory cannot be made: %v", err), Hint: "weir dev --data DIR with another directory", err: err}
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &Error{What: fmt.Sprintf("the data directory cannot be used: %v", err), Hint: "weir dev --data DIR with another directory", err: err}
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close() //nolint:errcheck // it was only read
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory: %w", err)
		}
		return nil, inUse(path, lock)
	}
	if err := errors.Join(lock.Truncate(0), writeString(lock, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), lock.Close())
	}
	return &directory{path: path, elsewhere: elsewhere, lock: lock}, nil
}

// inUse is the error of a directory that somebody else has locked.
func inUse(path string, lock *os.File) error {
	who := "another process"
	content := make([]byte, 20)
	if n, _ := lock.ReadAt(content, 0); n > 0 {
		who = "process " + strings.TrimSpace(string(content[:n]))
	}
	return &Error{
		What: fmt.Sprintf("the data directory %s is in use by %s", path, who),
		Hint: "stop that one, or run a second one beside it with its own: weir dev --data DIR",
	}
}

// writeString writes from the start of the file.
func writeString(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// data is the path of the data itself. It lies elsewhere if the server's user cannot get in here.
func (d *directory) data(account cluster.Account) (string, error) {
	here := filepath.Join(d.path, "data")
	if target, err := os.Readlink(here); err == nil {
		return target, nil
	}
	if account.Reaches(here) {
		return here, nil
	}
	if _, err := os.Stat(here); err == nil {
		return "", &Error{
			What: fmt.Sprintf("user %s, as whom PostgreSQL runs for root, cannot get at the data in %s", account.Name, here),
			Hint: "chmod o+x every directory above it, or weir dev --data DIR with another directory",
		}
	}
	there := filepath.Join(d.elsewhere, "dev-"+strings.ToLower(rand.Text()[:10]))
	if !account.Reaches(there) {
		return "", &Error{
			What: fmt.Sprintf("user %s, as whom PostgreSQL runs for root, cannot get into %s", account.Name, d.path),
			Hint: "weir dev --data DIR with a directory that it can get into",
		}
	}
	if err := os.MkdirAll(d.elsewhere, 0o755); err != nil {
		return "", fmt.Errorf("make a place for the data: %w", err)
	}
	if err := os.Symlink(there, here); err != nil {
		return "", fmt.Errorf("link to the data: %w", err)
	}
	return there, nil
}

// password is the superuser's. Without data it makes the data first, with a new one.
func (d *directory) password(ctx context.Context, binaries cluster.Binaries, account cluster.Account, data string) (string, error) {
	file := filepath.Join(d.path, "password")
	major, err := cluster.DataMajor(data)
	if err != nil {
		return "", err
	}
	if major != 0 {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", &Error{
				What: fmt.Sprintf("the password of the data in %s is gone: %v", d.path, err),
				Hint: "put the file back, or remove the directory and lose its data", err: err,
			}
		}
		return strings.TrimSpace(string(content)), nil
	}
	password := cluster.Password()
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the password: %w", err)
	}
	// initdb leaves nothing behind when it fails, and PG_VERSION when it is killed; so it works beside the
	// final place, and the data is there as a whole or not at all.
	work := data + ".new"
	if err := os.RemoveAll(work); err != nil {
		return "", fmt.Errorf("clear what an earlier start has left: %w", err)
	}
	if err := cluster.Init(ctx, binaries, account, work, password); err != nil {
		return "", errors.Join(err, os.RemoveAll(work))
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("put the data in its place: %w", err)
	}
	if err := os.Rename(work, data); err != nil {
		return "", fmt.Errorf("put the data in its place: %w", err)
	}
	return password, nil
}

// port is the one that was asked for, the last one, or any.
func (d *directory) port(wanted int) (int, error) {
	if wanted != 0 {
		if !isFree(wanted) {
			return 0, &Error{What: fmt.Sprintf("port %d of 127.0.0.1 is in use", wanted), Hint: "another port, or 0 for any"}
		}
		return wanted, nil
	}
	file := filepath.Join(d.path, "port")
	if content, err := os.ReadFile(file); err == nil {
		if last, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && isFree(last) {
			return last, nil
		}
	}
	port, err := cluster.FreePort()
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		return 0, fmt.Errorf("keep the port: %w", err)
	}
	return port, nil
}

// isFree tells whether nobody listens on a port of 127.0.0.1.
func isFree(port int) bool {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
