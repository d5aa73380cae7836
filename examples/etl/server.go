package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// serve plays the sources and the warehouse until the process ends.
func serve(args []string, stdout io.Writer) error {
	addr := "127.0.0.1:8090"
	if len(args) > 0 {
		addr = args[0]
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "sources and warehouse at http://%s\n", listener.Addr())
	server := &http.Server{Handler: (&world{}).handler(), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// world is what the plan sees of the world outside.
type world struct {
	mu      sync.Mutex
	reports map[string]report // by idempotency key
}

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, []order{{"ada", 1200}, {"bob", 350}, {"ada", 800}, {"eve", 99}})
	})
	mux.HandleFunc("GET /customers", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, []customer{{"ada", "UK"}, {"bob", "FR"}})
	})
	mux.HandleFunc("POST /reports", w.load)
	return mux
}

// load takes a report once: the same key again changes nothing.
func (w *world) load(rw http.ResponseWriter, r *http.Request) {
	var in report
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 1<<20)).Decode(&in); err != nil {
		answer(rw, http.StatusBadRequest, map[string]string{"error": "the body is no report"})
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		answer(rw, http.StatusBadRequest, map[string]string{"error": "there is no Idempotency-Key"})
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reports == nil {
		w.reports = map[string]report{}
	}
	if _, known := w.reports[key]; !known {
		w.reports[key] = in
	}
	answer(rw, http.StatusCreated, map[string]int{"reports": len(w.reports)})
}

func answer(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // a client that has gone wants no answer
}
