package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/embedded"
)

// server is the PostgreSQL that everything is measured on.
type server struct {
	url  string
	stop func()
	made int
}

func startServer(ctx context.Context) (*server, error) {
	if url := os.Getenv("WEIR_BENCH_DATABASE_URL"); url != "" {
		return &server{url: url, stop: func() {}}, nil
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	started, err := embedded.Start(ctx, embedded.Config{DataDir: dir})
	if err != nil {
		return nil, err
	}
	return &server{url: started.URL(), stop: func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		_ = started.Stop(ctx)
		_ = os.RemoveAll(dir)
	}}, nil
}

// database calls do with a fresh database.
func (s *server) database(ctx context.Context, do func(url string) error) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	s.made++
	name := fmt.Sprintf("weir_bench_%d_%d", os.Getpid(), s.made)
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), "drop database "+name+" with (force)") //nolint:errcheck // it is ours
	u, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	return do(u.String())
}
