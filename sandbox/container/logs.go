package container

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// part is the log of one container of a node: at the engine, or, where a later container has taken its place, in a file.
type part struct {
	id    string // of the container
	begun int64  // when it was made, in nanoseconds since 1970; to the second for one at the engine
	path  string // of the file; "" for one at the engine
}

// keptLogs is how many files of logs are kept of a node.
const keptLogs = 3

func (r *Runtime) logs() string { return filepath.Join(r.o.Dir, "logs") }

// parts lists the logs of a node, oldest first. Those at the engine are later than those in files: a container is made when
// all before it are in files.
func (r *Runtime) parts(ctx context.Context, node string) ([]part, error) {
	all := r.kept(node)
	list, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.ours().Add("label", labelNode+"="+node)})
	if err != nil {
		return nil, explain("look for the containers of "+node, err)
	}
	slices.SortStableFunc(list.Items, func(a, b container.Summary) int { return cmp.Compare(a.Created, b.Created) })
	for _, c := range list.Items {
		if c.State == container.StateCreated {
			continue // it has not run
		}
		all = slices.DeleteFunc(all, func(p part) bool { return strings.HasPrefix(c.ID, p.id) }) // it is being put aside
		all = append(all, part{id: c.ID, begun: c.Created * int64(time.Second)})
	}
	return all, nil
}

// kept lists the logs of a node that are in files, oldest first.
func (r *Runtime) kept(node string) (all []part) {
	paths, _ := filepath.Glob(filepath.Join(r.logs(), node+".*-*.log")) // the pattern is well-formed: node is a checked name
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), node+"."), ".log")
		begun, id, _ := strings.Cut(name, "-")
		if n, err := strconv.ParseInt(begun, 10, 64); err == nil {
			all = append(all, part{id: id, begun: n, path: path})
		}
	}
	slices.SortFunc(all, func(a, b part) int { return cmp.Compare(a.begun, b.begun) })
	return all
}

// putAside removes the containers of a node that have ended, keeping their logs.
func (r *Runtime) putAside(ctx context.Context, node string) error {
	list, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.ours().Add("label", labelNode+"="+node)})
	if err != nil {
		return explain("look for earlier containers of "+node, err)
	}
	for _, c := range list.Items {
		if isRunning(c) {
			continue
		}
		if c.State != container.StateCreated {
			if err := r.keep(ctx, node, c); err != nil && !ended(err) { // somebody else is removing it
				return fmt.Errorf("keep the log of an earlier container of %s: %w", node, err)
			}
		}
		if err := removeContainer(ctx, r.engine, c.ID); err != nil {
			return err
		}
	}
	old := r.kept(node)
	for _, p := range old[:max(0, len(old)-keptLogs)] {
		if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old log of %s: %w", node, err)
		}
	}
	return nil
}

// keep copies the log of a container to a file, in one step.
func (r *Runtime) keep(ctx context.Context, node string, c container.Summary) error {
	if err := os.MkdirAll(r.logs(), 0o700); err != nil {
		return err
	}
	begun := time.Unix(c.Created, 0)
	found, err := r.engine.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if exact, err := time.Parse(time.RFC3339Nano, found.Container.Created); err == nil {
		begun = exact // of two that were made in one second, too, it must be known which one is later
	}
	path := filepath.Join(r.logs(), fmt.Sprintf("%s.%d-%s.log", node, begun.UnixNano(), c.ID[:idLength]))
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = r.copyLog(ctx, f, c.ID, client.ContainerLogsOptions{})
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// mark is how far a container's log has been read. Times alone do not tell: Podman gives them to the second.
type mark struct {
	at     string // time of the last piece, which sorts as text
	pieces int    // that have been read of that time
}

// beyond gives what has not been read yet of pieces that are read again from the time of the mark on, and moves the mark.
func (m *mark) beyond(each func(text []byte) error) func(at string, text []byte) error {
	known := *m
	return func(at string, text []byte) error {
		switch {
		case at < known.at:
			return nil
		case at == known.at && known.pieces > 0:
			known.pieces--
			return nil
		case at == m.at:
			m.pieces++
		default:
			*m = mark{at, 1}
		}
		return each(text)
	}
}

// copyLog copies both streams of a container's log, in the order in which they were written.
func (r *Runtime) copyLog(ctx context.Context, to io.Writer, id string, o client.ContainerLogsOptions) (read mark, err error) {
	err = r.readLog(ctx, id, o, read.beyond(func(text []byte) error {
		_, err := to.Write(text)
		return err
	}))
	return read, err
}

// maxPiece bounds a piece of a log, in bytes. The engine cuts at 16 KiB.
const maxPiece = 1 << 20

// readLog reads a container's log piece by piece, a line or a part of a long one, with the time at which the engine got
// it, which sorts as text.
func (r *Runtime) readLog(ctx context.Context, id string, o client.ContainerLogsOptions, each func(at string, text []byte) error) error {
	o.ShowStdout, o.ShowStderr, o.Timestamps = true, true, true
	log, err := r.engine.ContainerLogs(ctx, id, o)
	if err != nil {
		return explain("read the log of container "+id[:idLength], err)
	}
	defer log.Close()
	const headerSize, sizeAt = 8, 4 // of the engine's multiplexed streams
	header := make([]byte, headerSize)
	for {
		if _, err := io.ReadFull(log, header); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return explain("read the log of container "+id[:idLength], err)
		}
		size := binary.BigEndian.Uint32(header[sizeAt:])
		if size > maxPiece {
			return fmt.Errorf("read the log of container %s: a piece of %d bytes", id[:idLength], size)
		}
		piece := make([]byte, size)
		if _, err := io.ReadFull(log, piece); err != nil {
			return explain("read the log of container "+id[:idLength], err)
		}
		at, text, _ := bytes.Cut(piece, []byte(" "))
		if err := each(string(at), text); err != nil {
			return err
		}
	}
}

func (r *Runtime) removeLogs() error {
	paths, err := filepath.Glob(filepath.Join(r.logs(), "*.*-*.log"))
	if err != nil {
		return err
	}
	var faults []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// exitLines is how many log lines are given with the end of a node.
const exitLines = 20

// lastWords are the last lines of the container's log.
func (i *instance) lastWords(ctx context.Context) string {
	var text bytes.Buffer
	if _, err := i.r.copyLog(ctx, &text, i.id, client.ContainerLogsOptions{Tail: strconv.Itoa(exitLines)}); err != nil {
		return ""
	}
	return strings.TrimRight(text.String(), "\n")
}

// Logs gives the log of a node: its last tail lines (all there are when tail is negative) and, with follow, what the node
// logs from then on until ctx ends or the reader is closed, also across its restarts.
//
// Errors: fs.ErrNotExist if the node has never run.
func (r *Runtime) Logs(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	if err := checkName(node); err != nil {
		return nil, err
	}
	all, err := r.parts(ctx, node)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read the log of %s: %w", node, fs.ErrNotExist)
	}
	before, last, err := r.ending(ctx, all, tail)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", node, err)
	}
	if !follow {
		return io.NopCloser(bytes.NewReader(before)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	from, to := io.Pipe()
	stop := context.AfterFunc(ctx, func() { to.CloseWithError(io.EOF) })
	go func() {
		defer stop()
		_, err := to.Write(before)
		if err == nil {
			err = r.follow(ctx, node, all[len(all)-1], last, to)
		}
		if ctx.Err() != nil {
			err = io.EOF
		}
		to.CloseWithError(err)
	}()
	return &followed{from, cancel}, nil
}

// followed is a log that is followed.
type followed struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (f *followed) Close() error {
	f.cancel()
	return f.PipeReader.Close()
}

// ending reads the last lines of all parts together; all when tail is negative. last is how far the last part has been read,
// from where a reader that follows goes on.
func (r *Runtime) ending(ctx context.Context, all []part, tail int) (text []byte, last mark, err error) {
	var pieces [][]byte
	left := tail
	for n := len(all) - 1; n >= 0 && (tail < 0 || left > 0 || n == len(all)-1); n-- {
		var whole bytes.Buffer
		at, err := r.readPart(ctx, &whole, all[n])
		if err != nil {
			return nil, mark{}, err
		}
		if n == len(all)-1 {
			last = at
		}
		piece := whole.Bytes()
		if tail >= 0 {
			piece = lastLines(piece, left)
			left -= bytes.Count(piece, []byte("\n"))
		}
		pieces = append(pieces, piece)
	}
	slices.Reverse(pieces)
	return bytes.Join(pieces, nil), last, nil
}

func (r *Runtime) readPart(ctx context.Context, to io.Writer, p part) (read mark, err error) {
	if p.path == "" {
		read, err := r.copyLog(ctx, to, p.id, client.ContainerLogsOptions{})
		if cerrdefs.IsNotFound(err) {
			return mark{}, nil // it is being put aside
		}
		return read, err
	}
	f, err := os.Open(p.path)
	if err != nil {
		return mark{}, err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return mark{}, err
}

// lastLines cuts the last n lines off a text that ends with a newline.
func lastLines(text []byte, n int) []byte {
	if n <= 0 {
		return nil
	}
	at := len(text)
	for ; n > 0 && at > 0; n-- {
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
		if at == 0 {
			break
		}
	}
	return text[at:]
}

// followInterval is how often a later container is looked for when one has ended.
const followInterval = 100 * time.Millisecond

// follow copies what a node logs in a part beyond what has been read, and then what its later containers log.
func (r *Runtime) follow(ctx context.Context, node string, now part, read mark, to io.Writer) error {
	for ctx.Err() == nil {
		var lost error
		give := func(text []byte) error {
			_, lost = to.Write(text)
			return lost
		}
		var err error
		if now.path == "" { // else it has been given whole
			err = r.readLog(ctx, now.id, client.ContainerLogsOptions{Follow: true, Since: read.at}, read.beyond(give))
			if err == nil { // an engine may end the stream before the last lines of a container that has ended
				err = r.readLog(ctx, now.id, client.ContainerLogsOptions{Since: read.at}, read.beyond(give))
			}
		}
		if lost != nil || ctx.Err() != nil {
			return lost // nobody reads any more
		}
		if err != nil && !ended(err) && !gone(err) {
			return err
		}
		next, err := r.later(ctx, node, now)
		if err != nil {
			return err
		}
		if next.id == now.id {
			continue
		}
		now, read = next, mark{}
		if now.path != "" { // the node was started more than once meanwhile
			if _, err := r.readPart(ctx, to, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// later waits for the part after the given one, or for that one's container to be running still.
func (r *Runtime) later(ctx context.Context, node string, last part) (part, error) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		all, err := r.parts(ctx, node)
		if err != nil && !gone(err) {
			return part{}, err
		}
		if next, ok := after(all, last); ok {
			return next, nil
		}
		if i, err := r.find(ctx, node); err == nil && i != nil && i.id == last.id {
			return last, nil // the engine broke off
		}
		select {
		case <-ctx.Done():
			return last, nil
		case <-tick.C:
		}
	}
}

// after gives the part after the given one, which itself may be gone: only so many are kept, and containers are removed.
func after(all []part, last part) (part, bool) {
	at := slices.IndexFunc(all, func(p part) bool { return strings.HasPrefix(last.id, p.id) || strings.HasPrefix(p.id, last.id) })
	if at < 0 {
		at = slices.IndexFunc(all, func(p part) bool { return p.begun > last.begun }) - 1
		if at < -1 {
			return part{}, false
		}
	}
	if at+1 < len(all) {
		return all[at+1], true
	}
	return part{}, false
}
