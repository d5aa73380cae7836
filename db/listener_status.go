package db

import (
	"log/slog"
	"sync"
	"time"
)

// ListenMode is how a replica learns that there is something to do.
type ListenMode string

// The modes of listening.
const (
	// ModeListen: notifications arrive. Polling goes on as the guarantee.
	ModeListen ListenMode = "listen"
	// ModePoll: notifications do not arrive, or it is not known yet; polling is all there is.
	ModePoll ListenMode = "poll"
)

// ListenStatus is what [Listener.Status] tells.
type ListenStatus struct {
	// Mode is how it is now.
	Mode ListenMode
	// Since is when it became so, by the clock of this process.
	Since time.Time
	// LastError is why notifications do not arrive, or did not the last time; empty if they always have.
	LastError string
	// Lag is how long the last probe took from notify to arrival; 0 while polling.
	Lag time.Duration
}

// listenStatus keeps the status and logs when it changes.
type listenStatus struct {
	logger *slog.Logger

	mu      sync.Mutex
	current ListenStatus
}

func newListenStatus(logger *slog.Logger) *listenStatus {
	return &listenStatus{logger: logger, current: ListenStatus{Mode: ModePoll, Since: time.Now()}}
}

// read returns the current status.
func (s *listenStatus) read() ListenStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// listen notes that a probe has arrived.
func (s *listenStatus) listen(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Lag = lag
	if s.current.Mode == ModeListen {
		return
	}
	s.current.Mode, s.current.Since = ModeListen, time.Now()
	s.logger.Info("notifications arrive", "lag", lag)
}

// poll notes that nothing is heard any more; err, which may be nil, says why. The same reason is logged once.
func (s *listenStatus) poll(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	news := s.current.Mode == ModeListen || reason != s.current.LastError
	if s.current.Mode == ModeListen {
		s.current.Mode, s.current.Since = ModePoll, time.Now()
	}
	s.current.Lag = 0
	if err != nil {
		s.current.LastError = reason
		if news {
			s.logger.Warn("notifications do not arrive, polling instead", "error", err)
		}
	}
}
