package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// errLocked is what tryLock returns while somebody else has the lock.
var errLocked = errors.New("is locked")

// tryLock takes the lock of a file. It lasts until the file is closed by everybody who has inherited it.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errLocked
	}
	return nil, errors.Join(fmt.Errorf("%s %w", path, err), file.Close())
}

// lockFile waits for the lock of a file; unlock gives it back.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	for {
		file, err := tryLock(path)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, err
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

// wait lets d pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
