//go:build linux

package cluster

import (
	"bufio"
	"encoding/binary"
	"io"
)

const (
	atOnce  = 32 << 10 // about how many bytes travel at once
	longest = 1 << 28  // how long a message may be; what is longer is none
)

// What a client may ask for in place of the start of a connection.
const (
	askCancel = 80877102
	askTLS    = 80877103
	askGSS    = 80877104
)

// reader reads pieces.
type reader interface{ next() (piece, error) }

// rawReader reads whatever comes.
type rawReader struct{ conn io.Reader }

func (r rawReader) next() (piece, error) {
	buffer := make([]byte, atOnce)
	n, err := r.conn.Read(buffer)
	if n > 0 {
		return piece{data: buffer[:n]}, nil
	}
	return piece{}, err
}

// messageReader reads pieces that are whole messages of PostgreSQL's protocol, as many as there are. What cannot be read,
// as when TLS has begun, goes on as it is.
type messageReader struct {
	buffer  *bufio.Reader
	session *session
	started bool                                        // all that comes is messages that have a type
	start   func(r *messageReader) (piece, bool, error) // what comes before; false: nothing of that kind
}

// newClientReader reads what a client sends.
func newClientReader(conn io.Reader, s *session) reader {
	return &messageReader{buffer: bufio.NewReaderSize(conn, atOnce), session: s, start: (*messageReader).request}
}

// newServerReader reads what a server sends.
func newServerReader(conn io.Reader, s *session) reader {
	return &messageReader{buffer: bufio.NewReaderSize(conn, atOnce), session: s, start: (*messageReader).answer}
}

func (r *messageReader) next() (piece, error) {
	if !r.started && !r.session.isOpaque() {
		if p, is, err := r.start(r); is || err != nil {
			return p, err
		}
	}
	var p piece
	for {
		size, err := r.size()
		if err != nil {
			return p, err
		}
		if size == 0 {
			r.session.unreadable()
			return rawReader{r.buffer}.next()
		}
		message := make([]byte, size)
		if _, err := io.ReadFull(r.buffer, message); err != nil {
			return piece{}, err
		}
		p.data, p.sizes = append(p.data, message...), append(p.sizes, size)
		if len(p.data) >= atOnce || !r.more() {
			return p, nil
		}
	}
}

// size is the size of the next message, 0: it cannot be read.
func (r *messageReader) size() (int, error) {
	if r.session.isOpaque() {
		return 0, nil
	}
	head, err := r.buffer.Peek(5)
	if err != nil {
		return 0, err
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if r.session.isOpaque() || length < 4 || length > longest {
		return 0, nil
	}
	return int(length) + 1, nil
}

// more tells whether the whole next message has come.
func (r *messageReader) more() bool {
	if r.buffer.Buffered() < 5 {
		return false
	}
	size, err := r.size()
	return err == nil && size > 0 && r.buffer.Buffered() >= size
}

// request reads what a client begins with: the start, or what it asks for before that.
func (r *messageReader) request() (piece, bool, error) {
	head, err := r.buffer.Peek(8)
	if err != nil {
		return piece{}, false, err
	}
	length, code := int(binary.BigEndian.Uint32(head)), binary.BigEndian.Uint32(head[4:])
	if length < len(head) || length > atOnce {
		r.session.unreadable() // it begins with TLS, for example
		return piece{}, false, nil
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(r.buffer, message); err != nil {
		return piece{}, false, err
	}
	switch code {
	case askTLS, askGSS:
		r.session.expect()
	case askCancel:
		r.session.unreadable()
	default:
		r.started = true
	}
	return piece{data: message, sizes: []int{length}}, true, nil
}

// answer reads the byte that answers a request before the start.
func (r *messageReader) answer() (piece, bool, error) {
	if _, err := r.buffer.Peek(1); err != nil {
		return piece{}, false, err
	}
	if !r.session.expected() {
		r.started = true
		return piece{}, false, nil
	}
	said, err := r.buffer.ReadByte()
	if said != 'N' {
		r.session.unreadable()
	}
	return piece{data: []byte{said}}, true, err
}
