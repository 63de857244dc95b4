package artefact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const lockInterval = 50 * time.Millisecond

// Lock keeps others, in this process and in other ones, from making the thing of that name at the same time. waiting is
// called once if another makes it.
func (c *Cache) Lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	return c.lock(ctx, name, waiting)
}

// lock takes the lock file name inside the cache, waiting until ctx ends. The lock belongs to the open file, so it
// goes with the process however that ends. waiting is called once if another holds it.
func (c *Cache) lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	path := filepath.Join(c.dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, &CacheError{Dir: c.dir, Err: explainDisk(path, err)}
	}
	tick := time.NewTicker(lockInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another process that fills the cache %s: %w", c.dir, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
