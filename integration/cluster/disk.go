//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own, in memory.
type disk struct{ dir string }

// newDisk mounts a file system of so many bytes.
func newDisk(dir string, size int64) (*disk, error) {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, err
	}
	if err := unix.Mount("weir", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0711", size)); err != nil {
		return nil, fmt.Errorf("mount a file system: %w", err)
	}
	return &disk{dir: dir}, nil
}

// tryDisk tells whether newDisk would work.
func tryDisk() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can have a small disk")
	}
	dir, err := os.MkdirTemp("", "weir-disk-")
	if err != nil {
		return err
	}
	defer os.Remove(dir) //nolint:errcheck // it is empty
	d, err := newDisk(filepath.Join(dir, "try"), 1<<20)
	if err == nil {
		err = d.end()
	}
	return errors.Join(err, ignoreMissing(os.Remove(filepath.Join(dir, "try"))))
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all the room that is left.
func (d *disk) fill() error {
	file, err := os.OpenFile(d.ballast(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// The last bytes are taken one page at a time.
	for _, size := range []int{1 << 20, 4 << 10} {
		chunk := make([]byte, size)
		for err == nil {
			_, err = file.Write(chunk)
		}
		if !errors.Is(err, unix.ENOSPC) {
			return errors.Join(err, file.Close())
		}
		err = nil
	}
	return file.Close()
}

// free gives back what fill has taken.
func (d *disk) free() error { return ignoreMissing(os.Remove(d.ballast())) }

// end unmounts it, now, or else when nobody uses it any more.
func (d *disk) end() error {
	err := unix.Unmount(d.dir, 0)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(d.dir, unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", d.dir, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
