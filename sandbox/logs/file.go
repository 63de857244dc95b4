package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// File is a log that is a file, and those put aside beside it: PATH.1 is the newest of them.
type File struct {
	Path string
	Kept int // how many that were put aside are kept
}

// aside are the logs that were put aside, the newest first, whether or not they exist.
func (f File) aside() (paths []string) {
	for i := range f.Kept {
		paths = append(paths, f.Path+"."+strconv.Itoa(i+1))
	}
	return paths
}

// Remove removes the log, and those put aside.
func (f File) Remove() error {
	for _, path := range append(f.aside(), f.Path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a log: %w", err)
		}
	}
	return nil
}

// Open gives the log: its last tail lines (all there are, those put aside included, when tail is negative) and, with follow,
// what is written from then on until ctx ends or the reader is closed.
//
// Errors: fs.ErrNotExist if nothing was ever logged.
func (f File) Open(ctx context.Context, tail int, follow bool) (io.ReadCloser, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, log: f, file: file, follow: follow, closed: make(chan struct{})}
	if err := r.begin(tail); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// begin finds where the last lines begin.
func (r *reader) begin(tail int) error {
	r.newest, _ = os.Stat(r.log.newest())
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	r.end = info.Size() // what comes later belongs to follow
	start, lines, err := tailStart(r.file, r.end, tail)
	if r.at = start; err != nil || (tail >= 0 && lines >= tail) {
		return err
	}
	r.before, err = openBefore(r.log.aside(), tail-lines)
	return err
}

func (f File) newest() string { return f.Path + ".1" }

// openBefore opens what is wanted of logs put aside, the newest of which is the first: all when tail is negative.
func openBefore(paths []string, tail int) (open []io.ReadCloser, err error) {
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return open, err
		}
		open = append([]io.ReadCloser{f}, open...)
		info, err := f.Stat()
		if err != nil {
			return open, err
		}
		start, lines, err := tailStart(f, info.Size(), tail)
		if err == nil {
			_, err = f.Seek(start, io.SeekStart)
		}
		if err != nil {
			return open, err
		}
		if tail >= 0 {
			if tail -= lines; tail <= 0 {
				return open, nil
			}
		}
	}
	return open, nil
}

// tailStart finds where the last n lines of the first size bytes begin, and how many they are (up to n).
func tailStart(f io.ReaderAt, size int64, n int) (start int64, lines int, err error) {
	if n < 0 {
		return 0, 0, nil
	}
	if n == 0 || size == 0 {
		return size, 0, nil
	}
	const block = 32 << 10
	b := make([]byte, block)
	at := size - 1 // the newline that ends the last line does not begin one
	for at > 0 {
		from := max(0, at-block)
		part := b[:at-from]
		if _, err := f.ReadAt(part, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		for i := bytes.LastIndexByte(part, '\n'); i >= 0; i = bytes.LastIndexByte(part[:i], '\n') {
			if lines++; lines == n {
				return from + int64(i) + 1, lines, nil
			}
		}
		at = from
	}
	return 0, lines + 1, nil
}

// look is how often a followed file is looked at.
const look = 50 * time.Millisecond

// reader reads a log from at, and at its end waits for more if it follows.
type reader struct {
	ctx    context.Context //nolint:containedctx // a reader's Read has none
	log    File
	before []io.ReadCloser // read first
	file   *os.File
	newest fs.FileInfo // of those put aside when it was last looked at; nil: none
	at     int64
	end    int64 // without follow: no further
	follow bool
	closed chan struct{}
	once   sync.Once // of Close
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		for len(r.before) > 0 {
			n, err := r.before[0].Read(p)
			if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
				return n, err
			}
			r.before[0].Close()
			r.before = r.before[1:]
		}
		if !r.follow {
			if r.at >= r.end {
				return 0, io.EOF
			}
			p = p[:min(int64(len(p)), r.end-r.at)]
		}
		n, err := r.file.ReadAt(p, r.at)
		if r.at += int64(n); n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read log %s: %w", r.log.Path, err)
		}
		if !r.follow {
			return 0, io.EOF // it was put aside meanwhile
		}
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
}

// wait returns when it is time to look again.
func (r *reader) wait() error {
	timer := time.NewTimer(look)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.closed:
		return fs.ErrClosed
	case <-r.ctx.Done():
		return io.EOF
	}
	if info, err := r.file.Stat(); err == nil && info.Size() < r.at {
		r.startOver()
	}
	return nil
}

// startOver goes on at the beginning of a file that was put aside and emptied, after what had not been read by then.
func (r *reader) startOver() {
	at := r.at
	r.at = 0
	f, err := os.Open(r.log.newest())
	if err != nil {
		return // none is kept
	}
	info, err := f.Stat()
	if err == nil && r.newest != nil && os.SameFile(info, r.newest) {
		err = errors.New("it is of an earlier time")
	}
	if err == nil {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return
	}
	r.newest, r.before = info, []io.ReadCloser{f}
}

func (r *reader) Close() error {
	var err error
	r.once.Do(func() {
		close(r.closed)
		err = r.file.Close()
		for _, b := range r.before {
			err = errors.Join(err, b.Close())
		}
	})
	return err
}

// Tend puts the log aside whenever it has more than most bytes, until done is closed. Whoever writes it must have it open for
// appending, and goes on in the emptied file. Lines written in the instant between the last copy and the truncation are lost.
func (f File) Tend(done <-chan struct{}, most int64, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if info, err := os.Stat(f.Path); err == nil && info.Size() > most {
				_ = f.putAside() // tried again; the log goes on meanwhile
			}
		}
	}
}

// putAside copies the log to PATH.1 and empties it. When it is empty its copy is in its place, so that a follower finds there
// what it has not read.
func (f File) putAside() (err error) {
	in, err := os.OpenFile(f.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	next := filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".new")
	out, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	old := f.aside()
	for i := len(old) - 1; i > 0; i-- {
		if err := os.Rename(old[i-1], old[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(next, f.newest()); err != nil {
		return err
	}
	for n := int64(1); n > 0; { // what was written meanwhile
		if n, err = io.Copy(out, in); err != nil {
			return err
		}
	}
	return in.Truncate(0)
}
