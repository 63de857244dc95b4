package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// bench has what the measurements share: the executable, and a sandbox of their own.
type bench struct {
	quick bool
	dir   string // temporary
	exe   string
	name  string // of the sandbox
	began time.Time

	running *running
	cpi     string // checksum of the uploaded CPI; empty before
	nodes   int    // virtual nodes made so far
}

// running is the sandbox with the ways into it.
type running struct {
	supervisor  *client.Client
	rest        *client.REST
	credentials sandbox.Credentials
}

// open builds the executable as it is released.
func open(ctx context.Context, quick bool) (_ *bench, err error) {
	b := &bench{quick: quick, name: fmt.Sprintf("bench-%d", os.Getpid()), began: time.Now()}
	if b.dir, err = os.MkdirTemp("", "cordage-bench-"); err != nil {
		return nil, err
	}
	b.exe = filepath.Join(b.dir, "cordage")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.exe, "github.com/cordage-sandbox/cordage/cmd/cordage")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if _, err := output(build); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

// close removes the sandbox with its data, and the executable.
func (b *bench) close(ctx context.Context) error {
	return errors.Join(b.purge(ctx), os.RemoveAll(b.dir))
}

// pick is the number for a real run or for a quick one.
func (b *bench) pick(real, quick int) int {
	if b.quick {
		return quick
	}
	return real
}

// say tells on standard error what is being done: a run takes minutes.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Since(b.began).Round(time.Second)}, args...)...)
}

// cordage runs a command on the sandbox.
func (b *bench) cordage(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, b.exe, append(args, "--name", b.name)...)
	// An interrupted start must be able to stop what it has started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	_, err := output(cmd)
	return err
}

// output runs a command; the error has what it wrote.
func output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s %v: %w\n%s%s", filepath.Base(cmd.Path), cmd.Args[1:], err, out.String(), errs.String())
	}
	return out.String(), nil
}

// up starts the sandbox unless it runs, and gives the ways into it.
func (b *bench) up(ctx context.Context) (*running, error) {
	if b.running != nil {
		return b.running, nil
	}
	if err := b.cordage(ctx, "up", "--runtime", "process"); err != nil {
		return nil, err
	}
	d, err := sandbox.Locate(b.name)
	if err != nil {
		return nil, err
	}
	r := &running{supervisor: client.Open(d)}
	if r.credentials, err = r.supervisor.Credentials(ctx); err != nil {
		return nil, err
	}
	if r.rest, err = client.NewREST(r.credentials.REST); err != nil {
		return nil, err
	}
	b.running = r
	return r, nil
}

// purge takes the sandbox down, if there is one, and removes its data.
func (b *bench) purge(ctx context.Context) error {
	if b.running != nil {
		b.running.supervisor.Close()
	}
	b.running, b.cpi = nil, ""
	d, err := sandbox.Locate(b.name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(d.Path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return b.cordage(ctx, "down", "--purge")
}

// postgres is a connection as PostgreSQL's superuser to the database of virtual nodes.
func (r *running) postgres(schema string, connections int) store.Connection {
	p := r.credentials.PostgreSQL
	at := store.JDBC{Host: p.Host, Port: p.Port, Database: r.credentials.Databases["nodes"].Database, Schema: schema}
	return store.Connection{JDBCURL: at.String(), User: p.User, Password: p.Password, PoolSize: connections}
}

// poll asks every so often until done, for two minutes at most.
func poll(ctx context.Context, every time.Duration, what string, done func() (bool, error)) error {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: not within %v", what, limit))
	defer cancel()
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
