package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Stop asks the process to stop in the way that loses nothing and waits until it has ended. When ctx ends first it is
// killed, and that is an error. A process that has ended is none.
func (c *Child) Stop(ctx context.Context) error {
	began := time.Now()
	if err := c.Signal(c.command.StopSignal); err != nil {
		return err
	}
	if err := c.Unpause(); err != nil { // a frozen process would not take the signal
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("stop %s: it did not end within %v and was killed", c.command.Node, time.Since(began).Round(time.Millisecond))
		return errors.Join(err, c.Kill())
	}
}

// Kill ends the process and its family at once and returns when they are gone.
func (c *Child) Kill() error {
	c.killing.Lock() // a second caller returns when the first one's work is done
	defer c.killing.Unlock()
	err := c.signalGroup(syscall.SIGKILL)
	if err == nil {
		<-c.done
	}
	if c.command.Family != "" {
		// PostgreSQL's backends have groups of their own, and a busy one does not notice that its server is gone.
		err = errors.Join(err, killAllIn(c.command.Family))
		removeShared(c.command.Family)
	}
	return err
}

// Pause freezes the process and its family.
func (c *Child) Pause() error { return c.signalFamily(syscall.SIGSTOP) }

// Unpause lets them go on.
func (c *Child) Unpause() error { return c.signalFamily(syscall.SIGCONT) }

func (c *Child) signalFamily(s syscall.Signal) error {
	if err := c.signalGroup(s); err != nil {
		return err
	}
	if c.command.Family == "" {
		return nil
	}
	for _, pid := range processesIn(c.command.Family) {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("send %s to process %d of %s: %w", signalName(s), pid, c.command.Node, err)
		}
	}
	return nil
}

// Signal sends s to the process. A process that has ended is no error.
func (c *Child) Signal(s syscall.Signal) error { return c.signal(c.pid, s) }

func (c *Child) signalGroup(s syscall.Signal) error { return c.signal(-c.pid, s) }

func (c *Child) signal(to int, s syscall.Signal) error {
	if c.over() {
		return nil
	}
	// An adopted process is not ours to reap: its number may be another's by now.
	if birth, err := birthOf(c.pid); c.adopted && (err != nil || birth != c.birth) {
		return nil
	}
	if err := syscall.Kill(to, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s (process %d): %w", signalName(s), c.command.Node, c.pid, err)
	}
	return nil
}
