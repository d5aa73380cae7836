package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Channels that Weir notifies. The payload is always empty: a notification only says "look now".
const (
	// ChannelDirty says that there are rows in weir.dirty.
	ChannelDirty = "weir_dirty"
	// ChannelStop says that there are rows in weir.stops.
	ChannelStop = "weir_stop"
	// ChannelRefresh says that somebody has asked for a full pass: weir.pulse.refresh_asked_at.
	ChannelRefresh = "weir_refresh"
)

// Defaults of [ListenerConfig].
const (
	DefaultProbeEvery   = 10 * time.Second
	DefaultProbeTimeout = 5 * time.Second
	DefaultBackoffMin   = 100 * time.Millisecond
	DefaultBackoffMax   = 30 * time.Second
)

// ListenerConfig says what to listen to. The zero value of every field but the first three is its default.
type ListenerConfig struct {
	// URL leads to the database itself, without a connection pooler between; [Config.Direct] has it.
	// Required.
	URL string
	// Pool is where the replica's own notifications come from. The listener sends its probes through it,
	// so what it finds out is true of the way that notifications really take. Required.
	Pool *pgxpool.Pool
	// Channels are the channels to listen to, at least one.
	Channels []string
	// ProbeEvery is how long nothing may be heard before the listener sends itself a notification to
	// see whether it still hears. 0: 10 s.
	ProbeEvery time.Duration
	// ProbeTimeout is how long a probe, or a connection, may take. 0: 5 s.
	ProbeTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait before the next connection; it doubles from the one to
	// the other, with jitter. 0: 100 ms and 30 s.
	BackoffMin, BackoffMax time.Duration
	// Hear is called with every notification of the channels, in their order, and with an empty payload for every
	// channel after every new connection. It must not block. Nil: nobody. It is for channels whose payload matters,
	// which are not ours; who only wants to be nudged subscribes.
	Hear func(channel, payload string)
	// Logger is told when the listener begins to hear and when it stops. Nil: nobody.
	Logger *slog.Logger
}

// Listener hears NOTIFY on a connection of its own and nudges its subscribers. It is a hint and no
// guarantee: who subscribes polls as well, and [Listener.Status] tells which of the two is at work.
//
// The connection is replaced when it breaks or falls silent, after which every subscriber gets one nudge for
// what may have been missed.
type Listener struct {
	config ListenerConfig
	status *listenStatus

	mu          sync.Mutex
	subscribers map[string][]chan struct{}
}

// NewListener prepares a listener. It hears nothing before [Listener.Run].
func NewListener(config ListenerConfig) *Listener {
	if config.ProbeEvery == 0 {
		config.ProbeEvery = DefaultProbeEvery
	}
	if config.ProbeTimeout == 0 {
		config.ProbeTimeout = DefaultProbeTimeout
	}
	if config.BackoffMin == 0 {
		config.BackoffMin = DefaultBackoffMin
	}
	if config.BackoffMax == 0 {
		config.BackoffMax = DefaultBackoffMax
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Listener{
		config:      config,
		status:      newListenStatus(config.Logger),
		subscribers: make(map[string][]chan struct{}),
	}
}

// Subscribe returns a channel that is nudged when the named channel of the database was notified, and after
// every new connection. Nudges that nobody has taken yet are one. cancel ends it; the channel is never
// closed. It may be called at any time and by anybody, and panics if the listener was not told to listen to
// that channel.
func (l *Listener) Subscribe(channel string) (nudges <-chan struct{}, cancel func()) {
	if !slices.Contains(l.config.Channels, channel) {
		panic(fmt.Sprintf("db: subscribe to %q, which is not among the listener's channels %q", channel, l.config.Channels))
	}
	subscriber := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subscribers[channel] = append(l.subscribers[channel], subscriber)
	return subscriber, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.subscribers[channel] = slices.DeleteFunc(l.subscribers[channel],
			func(other chan struct{}) bool { return other == subscriber })
	}
}

// Status tells whether notifications arrive here now. It may be called by anybody at any time.
func (l *Listener) Status() ListenStatus { return l.status.read() }

// Run listens until ctx ends, and then returns nil. What goes wrong meanwhile shows in [Listener.Status] and
// in the log. It is called once.
func (l *Listener) Run(ctx context.Context) error {
	defer l.status.poll(nil)
	backoff := l.config.BackoffMin
	for {
		heard, err := l.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.status.poll(err)
		if heard {
			backoff = l.config.BackoffMin
		}
		timer := time.NewTimer(backoff/2 + rand.N(backoff/2+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		backoff = min(2*backoff, l.config.BackoffMax)
	}
}

// runOnce is the life of one connection. heard tells whether the self-test passed; err says why it ended.
func (l *Listener) runOnce(ctx context.Context) (heard bool, err error) {
	connectCtx, cancel := context.WithTimeout(ctx, l.config.ProbeTimeout)
	defer cancel()
	conn, err := Connect(connectCtx, Config{URL: l.config.URL, AppName: "weir listener"})
	if err != nil {
		return false, err
	}
	defer func() {
		closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closeCtx) // it is given up in any case
	}()
	probe := newProbe(conn, l.config.Pool, l.config.ProbeTimeout)
	for _, channel := range append([]string{probe.channel}, l.config.Channels...) {
		if _, err := conn.Exec(connectCtx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen to %s: %w", channel, err)
		}
	}
	// The self-test: does what this replica notifies arrive here?
	lag, err := probe.run(ctx, l.heard)
	if err != nil {
		return false, err
	}
	l.status.listen(lag)
	l.nudgeAll()
	return true, l.hear(ctx, conn, probe)
}

// hear hands on notifications, and probes when it has been quiet, until the connection fails.
func (l *Listener) hear(ctx context.Context, conn *pgx.Conn, probe *probe) error {
	for {
		quietCtx, cancel := context.WithTimeout(ctx, l.config.ProbeEvery)
		notification, err := conn.WaitForNotification(quietCtx)
		quiet := quietCtx.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			l.heard(notification.Channel, notification.Payload)
			continue
		case !quiet || conn.IsClosed():
			return fmt.Errorf("wait for notifications: %w", err)
		}
		lag, err := probe.run(ctx, l.heard)
		var unsent *unsentError
		switch {
		case err == nil:
			l.status.listen(lag)
		case errors.As(err, &unsent):
			// Our own connection may be fine: it is the pool that had none to send with.
			if err := probe.ping(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// heard hands a notification on.
func (l *Listener) heard(channel, payload string) {
	if l.config.Hear != nil && slices.Contains(l.config.Channels, channel) {
		l.config.Hear(channel, payload)
	}
	l.nudge(channel)
}

// nudge tells the subscribers of one channel to look.
func (l *Listener) nudge(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, subscriber := range l.subscribers[channel] {
		select {
		case subscriber <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}

// nudgeAll tells everybody to look: something may have been missed.
func (l *Listener) nudgeAll() {
	for _, channel := range l.config.Channels {
		l.heard(channel, "")
	}
}
