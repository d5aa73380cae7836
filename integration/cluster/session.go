//go:build linux

package cluster

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// session is what is known of a connection to PostgreSQL from the messages that pass
// (https://www.postgresql.org/docs/current/protocol-message-formats.html), so that a commit is recognized. It is
//
//   - a Query, or an Execute of what was parsed, that is COMMIT or END, or has COMMIT among several statements;
//   - a Query or an Execute that has one of the words that write, like insert, while no transaction is open: that is
//     known from the last ReadyForQuery, and from every BEGIN, COMMIT and ROLLBACK since. COPY is left out: there the
//     server answers before it has everything.
//
// What answers it ends with a ReadyForQuery, of which there is one for each Query and each Sync, in order.
type session struct {
	mu         sync.Mutex
	statements map[string]kind // by their names
	portals    map[string]kind // by their names
	open       bool            // a transaction, as far as is known
	asked      int             // how many ReadyForQuery are to come in all
	ready      int             // how many have come
	lost       int             // the one that ends the lost answer; 0: none
	single     int             // answers of one byte, without a length, that are to come
	opaque     bool            // the messages cannot be read
}

func newSession() *session {
	return &session{statements: map[string]kind{}, portals: map[string]kind{}}
}

// kind is what a statement does to a transaction.
type kind int

const (
	reads kind = iota
	writes
	begins
	commitsAll
	rollsBack
)

var (
	comments  = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)
	rowLocks  = regexp.MustCompile(`(?i)\bfor\s+(no\s+key\s+)?update\b`)
	committed = regexp.MustCompile(`(?i)(^|;)\s*commit\b|^\s*end\b`)
	writing   = regexp.MustCompile(`(?i)\b(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|call|do|notify|pg_notify)\b`)
)

// kindOf looks at the text of a statement.
func kindOf(sql string) kind {
	sql = comments.ReplaceAllString(sql, " ")
	words := strings.Fields(strings.ToLower(strings.TrimLeft(sql, " \t\r\n(")))
	if len(words) == 0 {
		return reads
	}
	switch strings.TrimRight(words[0], ";") {
	case "begin", "start":
		if !committed.MatchString(sql) {
			return begins
		}
		return commitsAll
	case "rollback", "abort":
		if slices.Contains(words, "to") { // a savepoint
			return reads
		}
		return rollsBack
	case "copy", "savepoint", "release", "set", "show", "listen", "unlisten", "reset", "discard", "prepare":
		return reads
	}
	switch {
	case committed.MatchString(sql):
		return commitsAll
	case writing.MatchString(rowLocks.ReplaceAllString(sql, " ")):
		return writes
	}
	return reads
}

// sent looks at a message of the client before it goes on.
func (s *session) sent(message []byte, now commits) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := message[5:]
	switch message[0] {
	case 0: // the start of a connection has no type, and a length of less than 16 MiB
		if message[4] == 0 && message[5] == 3 { // the version of the protocol, in place of a request for TLS or to cancel
			s.asked++
		}
	case 'P':
		name, rest := cstring(body)
		text, _ := cstring(rest)
		s.statements[name] = kindOf(text)
	case 'B':
		portal, rest := cstring(body)
		statement, _ := cstring(rest)
		s.portals[portal] = s.statements[statement]
	case 'E':
		portal, _ := cstring(body)
		return s.runs(s.portals[portal], now)
	case 'Q':
		text, _ := cstring(body)
		then := s.runs(kindOf(text), now)
		s.asked++
		return then
	case 'S', 'F':
		s.asked++
	}
	return passes
}

// runs looks at a statement that is to run.
func (s *session) runs(k kind, now commits) fate {
	commit := k == commitsAll || k == writes && !s.open
	s.open = k == begins || s.open && k != commitsAll && k != rollsBack
	switch {
	case !commit || s.lost != 0:
	case now == commitsLost:
		return cuts
	case now == commitsReached:
		s.lost = s.asked + 1
	}
	return passes
}

// received looks at a message of the server before it goes on.
func (s *session) received(message []byte, _ commits) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	then := passes
	if s.lost != 0 && s.ready >= s.lost-1 {
		then = swallows
	}
	if message[0] == 'Z' && len(message) == 6 {
		s.ready++
		if s.ready == s.asked {
			s.open = message[5] != 'I'
		}
		if s.ready == s.lost {
			return cuts
		}
	}
	return then
}

// unreadable says that the messages cannot be read from now on.
func (s *session) unreadable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opaque = true
}

func (s *session) isOpaque() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opaque
}

// expect says that the server answers with one byte that is no message.
func (s *session) expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.single++
}

// expected tells whether such an answer is due, and takes it as come.
func (s *session) expected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.single == 0 {
		return false
	}
	s.single--
	return true
}

// cstring cuts a text that ends with a zero.
func cstring(data []byte) (text string, rest []byte) {
	before, after, _ := bytes.Cut(data, []byte{0})
	return string(before), after
}
