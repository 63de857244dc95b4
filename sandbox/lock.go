package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Lock is the lock of a sandbox. A supervisor holds it as long as its process lives, so that whoever gets it knows that the
// process has ended. The file stays, so that two cannot lock two files of one name; only a purge removes it, and who has
// opened it before can still wait for its holder.
type Lock struct {
	dir  Dir
	file *os.File
}

// OpenLock opens the lock without taking it. Errors wrap fs.ErrNotExist when the sandbox has no directory.
func (d Dir) OpenLock() (*Lock, error) {
	f, err := os.OpenFile(d.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &DirError{"lock sandbox " + d.Name, err}
	}
	return &Lock{d, f}, nil
}

// Try takes the lock. The first result is false when another process has it.
func (l *Lock) Try() (bool, error) {
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock sandbox %s: %w", l.dir.Name, err)
	}
	return true, nil
}

// Current tells whether the file is still the sandbox's: a purge may have removed it.
func (l *Lock) Current() bool {
	mine, err1 := l.file.Stat()
	now, err2 := os.Stat(l.dir.Lock())
	return err1 == nil && err2 == nil && os.SameFile(mine, now)
}

// Close gives the lock up.
func (l *Lock) Close() { l.file.Close() }

// TryLock takes the sandbox's lock, which ends with this process at the latest. The second result is false when another
// process has it, or is removing the sandbox.
func (d Dir) TryLock() (*Lock, bool, error) {
	l, err := d.OpenLock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	ok, err := l.Try()
	if err != nil || !ok || !l.Current() { // a lock on a file that has been removed is seen by nobody
		l.Close()
		return nil, false, err
	}
	return l, true, nil
}
