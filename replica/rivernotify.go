package replica

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// This file is all that the replica knows of River's inside: the names of its notification topics and what it says in
// them. TestRiverTopics and TestRiverObeysPauses pin both.

const (
	riverSchema       = "weir"
	riverTopicInsert  = "river_insert"  // {"queue": NAME}: there are new rows in that queue
	riverTopicControl = "river_control" // {"action": "pause" or "resume", "queue": NAME}, among others
)

// riverChannels are the channels of the database that River listens to.
func riverChannels() []string {
	return []string{riverSchema + "." + riverTopicControl, riverSchema + "." + riverTopicInsert, riverSchema + ".river_leadership"}
}

// riverHub brings what the replica's one listener heard to the River client of this process, or clients, should one
// follow another: River needs no connection of its own to listen on, and none that gets around a pooler. The zero value
// is ready.
type riverHub struct {
	mu        sync.Mutex
	listeners map[*riverListener]struct{}
}

// Hear takes what the listener heard, as [db.ListenerConfig] has it.
func (h *riverHub) Hear(channel, payload string) {
	topic, ok := strings.CutPrefix(channel, riverSchema+".")
	if !ok {
		return
	}
	h.each(func(l *riverListener) {
		switch {
		case payload != "":
			l.push(riverdriver.Notification{Topic: topic, Payload: payload})
		case topic == riverTopicInsert: // something may have been missed
			for _, queue := range l.queues {
				l.push(insertNotification(queue))
			}
		}
	})
}

func (h *riverHub) each(do func(*riverListener)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		do(l)
	}
}

func insertNotification(queue string) riverdriver.Notification {
	payload, _ := json.Marshal(map[string]string{"queue": queue}) // strings always can be
	return riverdriver.Notification{Topic: riverTopicInsert, Payload: string(payload)}
}

func controlNotification(queue string, paused bool) riverdriver.Notification {
	action := "resume"
	if paused {
		action = "pause"
	}
	payload, _ := json.Marshal(map[string]string{"action": action, "queue": queue}) // strings always can be
	return riverdriver.Notification{Topic: riverTopicControl, Payload: string(payload)}
}

// riverDriver is River's driver for pgx with a listener that has no connection of its own.
type riverDriver struct {
	*riverpgxv5.Driver
	hub    *riverHub
	queues []string
}

func newRiverDriver(pool *pgxpool.Pool, hub *riverHub, queues []string) *riverDriver {
	return &riverDriver{Driver: riverpgxv5.New(pool), hub: hub, queues: queues}
}

// GetListener implements riverdriver.Driver.
func (d *riverDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return &riverListener{hub: d.hub, queues: d.queues, news: make(chan struct{}, 1)}
}

// riverListener is the end of a riverHub that River waits at. It never disconnects: when the connection behind the
// hub is replaced, River is told to look at every queue.
type riverListener struct {
	hub    *riverHub
	queues []string
	news   chan struct{} // there is something in waiting

	mu      sync.Mutex
	waiting []riverdriver.Notification // no two of new rows alike
}

// maxRiverNotifications bounds what waits for River. Everything that it hears of it finds by polling too.
const maxRiverNotifications = 1000

// push adds a notification, one of new rows unless the same one waits already. The others mean something in their order.
func (l *riverListener) push(n riverdriver.Notification) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) < maxRiverNotifications && (n.Topic != riverTopicInsert || !slices.Contains(l.waiting, n)) {
		l.waiting = append(l.waiting, n)
		l.signal()
	}
}

func (l *riverListener) signal() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// pop takes the oldest notification that waits.
func (l *riverListener) pop() (n riverdriver.Notification, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return n, false
	}
	n = l.waiting[0]
	if l.waiting = l.waiting[1:]; len(l.waiting) > 0 {
		l.signal()
	}
	return n, true
}

// WaitForNotification implements riverdriver.Listener.
func (l *riverListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if n, ok := l.pop(); ok {
			return &n, nil
		}
		select {
		case <-l.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Connect implements riverdriver.Listener.
func (l *riverListener) Connect(context.Context) error {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if l.hub.listeners == nil {
		l.hub.listeners = map[*riverListener]struct{}{}
	}
	l.hub.listeners[l] = struct{}{}
	return nil
}

// Close implements riverdriver.Listener.
func (l *riverListener) Close(context.Context) error {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	delete(l.hub.listeners, l)
	return nil
}

// Listen implements riverdriver.Listener; the hub has every topic. River reads what it did not ask for and drops it.
func (l *riverListener) Listen(context.Context, string) error { return nil }

// Unlisten implements riverdriver.Listener.
func (l *riverListener) Unlisten(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener.
func (l *riverListener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener.
func (l *riverListener) Schema() string { return riverSchema }

// SetAfterConnectExec implements riverdriver.Listener. It is for River's own tests.
func (l *riverListener) SetAfterConnectExec(string) {}
