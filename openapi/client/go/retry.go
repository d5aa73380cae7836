package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// maxBackoff is the longest wait between two tries unless Config says otherwise, and the longest Retry-After that is
// followed.
const maxBackoff = 10 * time.Second

// retry does something until it works, cannot work, or was tried often enough. All calls of the API may be repeated:
// those that change something are idempotent, submits by their Idempotency-Key. What do returns beside an error is the
// least time to wait.
func (w *Weir) retry(ctx context.Context, do func() (time.Duration, error)) error {
	for attempt := 1; ; attempt++ {
		least, err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if attempt >= w.config.Attempts || !Retryable(err) {
			return err
		}
		wait := max(least, w.backoff(attempt))
		if w.config.Retrying != nil {
			w.config.Retrying(err, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// backoff is how long to wait after that many tries: between half of it and the whole.
func (w *Weir) backoff(attempt int) time.Duration {
	wait := min(w.config.Backoff<<min(attempt-1, 16), w.config.MaxBackoff)
	return wait/2 + rand.N(wait/2+1)
}

// Retryable reports whether the same call may work later: nobody answered, or somebody who asks to come again.
func Retryable(err error) bool {
	var problem *Problem
	var transport *TransportError
	var unexpected *UnexpectedError
	switch {
	case errors.As(err, &problem):
		return problem.Retryable
	case errors.As(err, &transport):
		return true
	case errors.As(err, &unexpected):
		return unexpected.Status == http.StatusBadGateway || unexpected.Status == http.StatusServiceUnavailable || unexpected.Status == http.StatusGatewayTimeout
	}
	return false
}

// retryAfter is what the server asks to wait.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxBackoff)
}
