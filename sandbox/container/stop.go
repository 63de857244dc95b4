package container

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Stop asks the node to stop in the way that loses nothing and waits until it has ended. When ctx ends first it is killed,
// and that is an error. A node that has ended is none.
func (i *instance) Stop(ctx context.Context) error {
	began := time.Now()
	if err := i.Unpause(ctx); err != nil { // a frozen container takes no signal
		return err
	}
	if err := i.signal(ctx, stopSignalOf(i.kind)); err != nil && ctx.Err() == nil {
		return err
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("stop %s: it did not end within %v and was killed", i.node, time.Since(began).Round(time.Millisecond))
		return errors.Join(err, i.Kill(context.WithoutCancel(ctx)))
	}
}

// Kill ends the node at once.
func (i *instance) Kill(ctx context.Context) error {
	if i.over() {
		return nil
	}
	if err := i.signal(ctx, "KILL"); err != nil {
		return err
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill %s: the engine did not end it: %w", i.node, context.Cause(ctx))
	}
}

// Pause freezes the node.
func (i *instance) Pause(ctx context.Context) error {
	_, err := i.r.engine.ContainerPause(ctx, i.id, client.ContainerPauseOptions{})
	if err != nil && strings.Contains(err.Error(), "already paused") {
		return nil
	}
	return explain("pause "+i.node, err)
}

// Unpause lets the node go on. One that is not paused, or has ended, is no error.
func (i *instance) Unpause(ctx context.Context) error {
	if i.over() {
		return nil
	}
	_, err := i.r.engine.ContainerUnpause(ctx, i.id, client.ContainerUnpauseOptions{})
	if err == nil || cerrdefs.IsNotFound(err) || strings.Contains(err.Error(), "not paused") || strings.Contains(err.Error(), "not running") {
		return nil
	}
	return explain("unpause "+i.node, err)
}

// signalName is the name of a signal without SIG.
func signalName(number int) string {
	return strings.TrimPrefix(unix.SignalName(syscall.Signal(number)), "SIG")
}
