package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
)

// dir is the directory of the sandbox that is meant.
func (a *app) dir() (sandbox.Dir, error) {
	if !a.named {
		if _, err := a.sandboxFile(); err != nil { // it may name another one
			return sandbox.Dir{}, err
		}
	}
	if err := sandbox.CheckName(a.name); err != nil {
		return sandbox.Dir{}, &usageError{err}
	}
	return sandbox.Locate(a.name)
}

// connect gives a client of the sandbox's supervisor. If that was killed and its nodes live on, a new one adopts them.
//
// Errors: *sandbox.NotRunningError.
func (a *app) connect(ctx context.Context) (*client.Client, error) {
	d, err := a.dir()
	if err != nil {
		return nil, err
	}
	c := client.Open(d)
	_, err = c.Sandbox(ctx)
	if err == nil {
		return c, nil
	}
	gone, ok := errors.AsType[*sandbox.NotRunningError](err)
	if !ok {
		return nil, err
	}
	state, err := supervisor.ReadState(d)
	if err != nil {
		return nil, err
	}
	gone.Last = state.Failure
	if !state.Wanted {
		return nil, gone
	}
	if held, err := lockHeld(d); err != nil {
		return nil, err
	} else if held { // a supervisor is about to open its socket
		return c, awaitSupervisor(ctx, c)
	}
	orphans, err := a.orphans(ctx, d)
	if err != nil {
		return nil, err
	}
	if len(orphans) == 0 {
		return nil, gone // the machine was restarted, or everything was killed
	}
	a.note("the supervisor of sandbox %s was killed; a new one adopts its %d running nodes", d.Name, len(orphans))
	if _, err := a.spawn(ctx, d, sandbox.Wish{Offline: true}); err != nil {
		return nil, err
	}
	if err := awaitSupervisor(ctx, c); err != nil { // another command may have been faster
		return nil, err
	}
	return c, a.awaitReady(ctx, c)
}

// lockHeld tells whether a process holds the sandbox's lock: its supervisor, living, starting or ending.
func lockHeld(d sandbox.Dir) (bool, error) {
	if !d.Exists() {
		return false, nil
	}
	lock, ok, err := d.TryLock()
	if ok {
		lock.Close()
	}
	return !ok, err
}

// orphans lists the sandbox's nodes that run without a supervisor.
func (a *app) orphans(ctx context.Context, d sandbox.Dir) ([]sandbox.Instance, error) {
	r, err := newRuntime(ctx, d, "", onlyLook())
	if err != nil {
		return nil, err
	}
	return r.Find(ctx)
}

// pollEvery is the pause between two looks at something that cannot tell by itself.
const pollEvery = 20 * time.Millisecond

// awaitSupervisor waits until the supervisor answers.
func awaitSupervisor(ctx context.Context, c *client.Client) error {
	const limit = 10 * time.Second
	return until(ctx, limit, "the supervisor to answer", func() (bool, error) { return c.Alive(ctx), nil })
}

// until asks done again and again until it is true, fails, or limit has passed.
func until(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: not within %v: %w", what, limit, ctx.Err())
		}
	}
}

// awaitReady waits without showing progress until the sandbox is ready.
func (a *app) awaitReady(ctx context.Context, c *client.Client) error {
	for e, err := range c.Events(ctx) {
		if err != nil {
			return err
		}
		info := e.Sandbox
		if e.State != nil {
			info = &e.State.Sandbox
		}
		if info == nil {
			continue
		}
		if done, err := ended(*info); done || err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return &sandbox.NotRunningError{Name: a.name}
}

// ended tells whether a start is over, and why it failed.
func ended(info sandbox.Info) (bool, error) {
	switch info.Phase {
	case sandbox.PhaseReady, sandbox.PhaseDegraded:
		return true, nil
	case sandbox.PhaseFailed:
		return true, &sandbox.StartError{Sandbox: info.Name, Failure: *info.Failure}
	case sandbox.PhaseStopped:
		return true, &sandbox.NotRunningError{Name: info.Name}
	}
	return false, nil
}
