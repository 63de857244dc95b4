package process

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

// followInterval is how often a followed log is looked at.
const followInterval = 50 * time.Millisecond

// Logs gives the log of a node: its last tail lines (all there are, those put aside included, when tail is negative) and,
// with follow, what the node logs from then on until ctx ends or the reader is closed, also across its restarts.
//
// Errors: fs.ErrNotExist if the node has never run.
func (r *Runtime) Logs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	if err := checkName(node); err != nil {
		return nil, err
	}
	f, err := os.Open(r.logFile(node))
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", node, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read the log of %s: %w", node, err)
	}
	end := info.Size() // what comes later belongs to follow
	start, lines, err := tailStart(f, end, tail)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read the log of %s: %w", node, err)
	}
	l := &logReader{ctx: ctx, path: r.logFile(node), file: f, closed: make(chan struct{}), follow: follow}
	l.at, l.end = start, end
	if tail < 0 || lines < tail {
		if l.before, err = openBefore(r.oldLogs(node), tail-lines); err != nil {
			l.Close()
			return nil, fmt.Errorf("read the log of %s: %w", node, err)
		}
	}
	return l, nil
}

// openBefore opens what is wanted of logs put aside, the newest of which is the first: all when tail is negative.
func openBefore(paths []string, tail int) (open []io.ReadCloser, err error) {
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return open, err
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return open, err
		}
		start, lines, err := tailStart(f, info.Size(), tail)
		if err == nil {
			_, err = f.Seek(start, io.SeekStart)
		}
		open = append([]io.ReadCloser{f}, open...)
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

// logReader reads a log from at, and at its end waits for more if it follows.
type logReader struct {
	ctx    context.Context //nolint:containedctx // a reader's Read has none
	path   string
	before []io.ReadCloser // read first
	file   *os.File
	at     int64
	end    int64 // without follow: no further
	follow bool
	closed chan struct{}
	once   sync.Once // of Close
}

func (l *logReader) Read(p []byte) (int, error) {
	for len(l.before) > 0 {
		n, err := l.before[0].Read(p)
		if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
			return n, err
		}
		l.before[0].Close()
		l.before = l.before[1:]
	}
	for {
		if !l.follow {
			if l.at >= l.end {
				return 0, io.EOF
			}
			p = p[:min(int64(len(p)), l.end-l.at)]
		}
		n, err := l.file.ReadAt(p, l.at)
		if l.at += int64(n); n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read log %s: %w", l.path, err)
		}
		if !l.follow {
			return 0, io.EOF // it was put aside meanwhile
		}
		if err := l.wait(); err != nil {
			return 0, err
		}
	}
}

// wait returns when it is time to look again.
func (l *logReader) wait() error {
	timer := time.NewTimer(followInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closed:
		return fs.ErrClosed
	case <-l.ctx.Done():
		return io.EOF
	}
	if info, err := l.file.Stat(); err == nil && info.Size() < l.at {
		l.at = 0 // it was put aside: the file begins anew
	}
	return nil
}

func (l *logReader) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.file.Close()
		for _, b := range l.before {
			err = errors.Join(err, b.Close())
		}
	})
	return err
}

// oldLogs are the logs of a node that were put aside, the newest first, whether or not they exist.
func (r *Runtime) oldLogs(node string) (paths []string) {
	for i := range r.o.LogCount {
		paths = append(paths, r.logFile(node)+"."+strconv.Itoa(i+1))
	}
	return paths
}

// watchLog puts the log of a node aside when it has grown too big, as long as the node runs.
func (r *Runtime) watchLog(i *instance) {
	tick := time.NewTicker(r.o.LogCheck)
	defer tick.Stop()
	for {
		select {
		case <-i.done:
			return
		case <-tick.C:
			info, err := os.Stat(r.logFile(i.Node()))
			if err == nil && info.Size() > r.o.LogSize {
				_ = r.rotate(i.Node()) // tried again at the next tick; the log goes on meanwhile
			}
		}
	}
}

// rotate copies the log to NAME.log.1 and empties it. The node goes on writing to the same file, at its new end,
// because it has it open for appending. Lines written in the instant between the last copy and the truncation are
// lost.
func (r *Runtime) rotate(node string) error {
	path := r.logFile(node)
	in, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for n := int64(1); n > 0 && err == nil; { // what was written while the bulk was copied
		n, err = io.Copy(out, in)
	}
	if err == nil {
		err = in.Truncate(0)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	old := r.oldLogs(node)
	for i := len(old) - 1; i > 0; i-- {
		if err := os.Rename(old[i-1], old[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(tmp, old[0])
}
