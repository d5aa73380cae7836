package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is the user that a server runs as. It is the user of this process, unless that is root, whom
// PostgreSQL refuses: then it is postgres, or nobody.
type Account struct {
	// Name is the user's.
	Name string
	// UID and GID are the user's.
	UID, GID int
	// Other is true if it is another user than that of this process.
	Other bool
}

// ServerAccount is the user to run servers as.
func ServerAccount() (Account, error) {
	if os.Geteuid() != 0 {
		account := Account{Name: strconv.Itoa(os.Geteuid()), UID: os.Geteuid(), GID: os.Getegid()}
		if current, err := user.Current(); err == nil {
			account.Name = current.Username
		}
		return account, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return Account{Name: name, UID: uid, GID: gid, Other: true}, nil
		}
	}
	return Account{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to run it as")
}

// Run makes cmd run as the account, with an environment of its own: nothing of PG* and no locale that the
// machine may not have.
func (a Account) Run(cmd *exec.Cmd) {
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LC_ALL=C", "TZ=UTC"}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if a.Other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	}
}

// Own gives the directory and everything in it to the account.
func (a Account) Own(dir string) error {
	if !a.Other {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.UID, a.GID)
	})
	if err != nil {
		return fmt.Errorf("give %s to user %s: %w", dir, a.Name, err)
	}
	return nil
}

// Reaches tells whether the account may enter every directory on the way to path, which need not exist.
func (a Account) Reaches(path string) bool {
	if !a.Other {
		return true
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for dir := resolveExisting(filepath.Dir(path)); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || !a.enters(info) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// enters reads the permission bits.
func (a Account) enters(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(stat.Uid) == a.UID:
		return mode&0o100 != 0
	case ok && int(stat.Gid) == a.GID:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// resolveExisting is the nearest directory upwards that exists, links followed.
func resolveExisting(dir string) string {
	for {
		if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			return resolved
		}
		if dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
