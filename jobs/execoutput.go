package jobs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/weirqueue/weir/lifecycle"
)

// execOutput collects the output of a command: one JSON value in a file, or on stdout.
type execOutput struct {
	from  string // file, stdout or none
	limit int64
	file  string
	buf   bytes.Buffer // of stdout, up to the limit and a byte
	size  int64        // of stdout
}

// tee also keeps what goes to stdout, if that is where the output comes from.
func (o *execOutput) tee(to io.Writer) io.Writer {
	if o.from != outputStdout {
		return to
	}
	return io.MultiWriter(to, (*stdoutKeeper)(o))
}

type stdoutKeeper execOutput

func (k *stdoutKeeper) Write(p []byte) (int, error) {
	k.size += int64(len(p))
	if room := k.limit + 1 - int64(k.buf.Len()); room > 0 {
		k.buf.Write(p[:min(int64(len(p)), room)])
	}
	return len(p), nil
}

// read gives the output of a command that succeeded.
func (o *execOutput) read() output {
	switch o.from {
	case outputStdout:
		return o.bounded(bytes.TrimSpace(o.buf.Bytes()), o.size)
	case outputFile:
		return o.readFile()
	}
	return output{}
}

// readFile reads what the command wrote to WEIR_OUTPUT. Only a plain file counts: a pipe would never end.
func (o *execOutput) readFile() output {
	f, err := os.OpenFile(o.file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return output{}
	}
	if err != nil {
		return output{problem: &lifecycle.OutputError{Code: outputInvalidJSON}}
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return output{problem: &lifecycle.OutputError{Code: outputInvalidJSON}}
	}
	raw, err := io.ReadAll(io.LimitReader(f, o.limit+1))
	if err != nil {
		return output{problem: &lifecycle.OutputError{Code: outputInvalidJSON, Bytes: info.Size()}}
	}
	return o.bounded(raw, info.Size())
}

func (o *execOutput) bounded(raw []byte, size int64) output {
	if int64(len(raw)) > o.limit {
		return output{problem: &lifecycle.OutputError{Code: outputTooLarge, Bytes: size}}
	}
	return rawOutput(raw)
}
