package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// lookup finds the program of a command: a name with a slash is taken as it is (relative to the working directory), one
// without is looked for in the absolute directories of the environment's PATH. The code is what a shell would exit with.
func lookup(name string, env []string) (path string, code int, err error) {
	if strings.Contains(name, "/") {
		return name, 0, nil // exec itself says what is wrong with it
	}
	if name == "" {
		return "", ExitNotFound, errors.New("the command's name is empty")
	}
	denied := false
	for _, dir := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		switch {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			denied = true
		default:
			return file, 0, nil
		}
	}
	if denied {
		return "", ExitNotExecutable, &os.PathError{Op: "find in PATH", Path: name, Err: syscall.EACCES}
	}
	return "", ExitNotFound, &os.PathError{Op: "find in PATH", Path: name, Err: syscall.ENOENT}
}

func pathOf(env []string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			return v
		}
	}
	return ""
}

// exitCodeOf is what a shell would exit with when a program cannot be executed.
func exitCodeOf(err error) int {
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		return ExitNotFound
	}
	return ExitNotExecutable
}
