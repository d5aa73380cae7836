package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/weirqueue/weir/lifecycle"
)

// The bounds of requests, unless something else is said.
const (
	DefaultRateLimit   = 1000 // a second and token
	DefaultMaxRequests = 1000 // at once
)

const (
	failuresASecond = 20
	failuresBurst   = 100
	limitersMost    = 10_000 // tokens whose rate is remembered
	recentMost      = 10_000 // callers that are remembered
	recentFor       = 5 * time.Minute
)

// writeGrace is how long writing an answer may take beyond Config.Within.
const writeGrace = 15 * time.Second

// rates bounds how often tokens are used, and how often something that is none is tried.
type rates struct {
	limit    int // a second; 0 = none
	failures *rate.Limiter

	mu       sync.Mutex
	limiters map[uuid.UUID]*rate.Limiter
}

// newRates makes it. Limit is requests a second and token; 0: DefaultRateLimit, negative: none.
func newRates(limit int) *rates {
	if limit == 0 {
		limit = DefaultRateLimit
	}
	return &rates{limit: max(limit, 0), failures: rate.NewLimiter(failuresASecond, failuresBurst), limiters: map[uuid.UUID]*rate.Limiter{}}
}

// wait counts a request of a token and is 0, or how long the token has to wait. The zero id is nobody's: not limited.
func (r *rates) wait(token uuid.UUID) time.Duration {
	if r.limit == 0 || token == uuid.Nil {
		return 0
	}
	limiter := r.limiter(token)
	if limiter.Allow() {
		return 0
	}
	return untilOne(limiter)
}

// limiter is the one of a token. When there are too many, those of tokens that are hardly used are forgotten.
func (r *rates) limiter(token uuid.UUID) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limiter := r.limiters[token]; limiter != nil {
		return limiter
	}
	burst := 2 * r.limit
	if len(r.limiters) >= limitersMost {
		for id, limiter := range r.limiters {
			if limiter.Tokens() >= float64(burst) {
				delete(r.limiters, id)
			}
		}
	}
	for id := range r.limiters {
		if len(r.limiters) < limitersMost {
			break
		}
		delete(r.limiters, id)
	}
	limiter := rate.NewLimiter(rate.Limit(r.limit), burst)
	r.limiters[token] = limiter
	return limiter
}

// failing is 0, or how long what is no valid token is to stay away because there was too much of it.
func (r *rates) failing() time.Duration {
	if r.failures.Tokens() >= 1 {
		return 0
	}
	return untilOne(r.failures)
}

// failed counts something that was no valid token.
func (r *rates) failed() { r.failures.Allow() }

// untilOne is how long it takes until a limiter allows one more.
func untilOne(limiter *rate.Limiter) time.Duration {
	missing := 1 - limiter.Tokens()
	return max(time.Duration(missing/float64(limiter.Limit())*float64(time.Second)), time.Millisecond)
}

// rateLimited asks to come back later.
func rateLimited(detail string, wait time.Duration) *Problem {
	p := newProblem(codeRateLimited, detail)
	seconds := int((wait + time.Second - 1) / time.Second)
	p.headers = http.Header{retryAfterHeader: {strconv.Itoa(seconds)}}
	return p
}

// recent remembers who showed what, for when the database cannot be asked: not longer than recentFor, and not beyond the
// end of the token. What was shown is kept as a hash.
type recent struct {
	mu      sync.Mutex
	callers map[[sha256.Size]byte]remembered
}

type remembered struct {
	caller *Caller
	until  time.Time
}

func newRecent() *recent { return &recent{callers: map[[sha256.Size]byte]remembered{}} }

func (c credential) key() [sha256.Size]byte {
	if c.session {
		return sha256.Sum256([]byte("session:" + c.secret))
	}
	return sha256.Sum256([]byte("token:" + c.secret))
}

// get is who showed it; nil: not known.
func (r *recent) get(shown credential) *Caller {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.callers[shown.key()]
	if !ok || !time.Now().Before(known.until) {
		return nil
	}
	return known.caller
}

func (r *recent) put(shown credential, caller *Caller) {
	now := time.Now()
	until := now.Add(recentFor)
	if caller.expires != nil && caller.expires.Before(until) {
		until = *caller.expires
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.callers) >= recentMost {
		for key, known := range r.callers {
			if !now.Before(known.until) {
				delete(r.callers, key)
			}
		}
	}
	for key := range r.callers {
		if len(r.callers) < recentMost {
			break
		}
		delete(r.callers, key)
	}
	r.callers[shown.key()] = remembered{caller: caller, until: until}
}

func (r *recent) drop(shown credential) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.callers, shown.key())
}

// enter counts a request in flight, or says that there are too many. Leave it with leave.
func (s *server) enter(ctx context.Context) error {
	if s.inFlight.Add(1) > int64(s.MaxRequests) && s.MaxRequests > 0 {
		s.inFlight.Add(-1)
		return s.problemOf(ctx, newProblem(lifecycle.CodeOverloaded, "too many requests are in work"))
	}
	return nil
}

func (s *server) leave() { s.inFlight.Add(-1) }

// writeWithin bounds how long the answer may take to be written. Streams take the bound away again with writeFreely.
func (s *server) writeWithin(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.Within + writeGrace)) // not on what is no connection
}

// writeFreely lets an answer take any time, and goes on to see when the client hangs up: the bound on reading the request
// would end that.
func writeFreely(w http.ResponseWriter) {
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Time{}) // not on what is no connection
	_ = connection.SetReadDeadline(time.Time{})
}

// endless reports whether an answer has no end by itself.
func endless(pattern string) bool { return strings.HasSuffix(pattern, "/events") }
