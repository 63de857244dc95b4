package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// look is how often a followed file is looked at.
const look = 100 * time.Millisecond

// File gives a log that is one file, as [Config].Open does: its last tail lines (all if negative), and what follows. A file
// that becomes shorter was put aside, and begins anew.
func File(ctx context.Context, path string, tail int, follow bool) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a log: %w", err)
	}
	text, err := io.ReadAll(f) // it is put aside before it grows large
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read a log: %w", err)
	}
	r := &fileReader{ctx: ctx, file: f, at: int64(len(text)), follow: follow, rest: lastLines(text, tail)}
	return r, nil
}

// lastLines are the last n lines; all if n is negative.
func lastLines(text []byte, n int) []byte {
	if n < 0 {
		return text
	}
	at := len(text)
	for range n {
		if at == 0 {
			break
		}
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
	}
	return text[at:]
}

type fileReader struct {
	ctx    context.Context //nolint:containedctx // a reader's Read has none
	file   *os.File
	rest   []byte // of what was there
	at     int64
	follow bool
}

func (r *fileReader) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	for r.follow {
		n, err := r.file.ReadAt(p, r.at)
		if r.at += int64(n); n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		timer := time.NewTimer(look)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return 0, io.EOF
		}
		if info, err := r.file.Stat(); err == nil && info.Size() < r.at {
			r.at = 0
		}
	}
	return 0, io.EOF
}

func (r *fileReader) Close() error { return r.file.Close() }

// Tend puts a log aside, to PATH.1, whenever it has more than most bytes, until ctx ends. Whoever writes it must have it
// open for appending: it is copied and emptied. Lines written in the instant between are lost.
func Tend(ctx context.Context, path string, most int64, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if info, err := os.Stat(path); err == nil && info.Size() > most {
				_ = putAside(path) // tried again; the log goes on meanwhile
			}
		}
	}
}

func putAside(path string) error {
	in, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	next := path + ".new"
	out, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = in.Truncate(0)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path+".1")
}
