// Package logs reads the logs of a sandbox's nodes, in whatever form each writes, as one list of entries in the order of
// time. Workers must not import it.
package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Config says where the logs are.
type Config struct {
	// Nodes lists the nodes at present, with their worker types and kinds. It is asked again and again while somebody
	// follows.
	Nodes func() []sandbox.Node

	// Open gives the log of a node as [sandbox.Runtime].Logs does.
	Open func(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error)
}

// BadFilterError says what is wrong with a filter.
type BadFilterError struct{ Why string }

func (e *BadFilterError) Error() string { return e.Why }

// filter is a filter made ready.
type filter struct {
	sandbox.LogFilter
	match *regexp.Regexp
}

func newFilter(f sandbox.LogFilter) (filter, error) {
	out := filter{LogFilter: f}
	if f.Tail < 0 || f.Tail > sandbox.MaxLogTail {
		return out, &BadFilterError{fmt.Sprintf("tail is %d; it is 0 to %d", f.Tail, sandbox.MaxLogTail)}
	}
	if f.Level != "" && !slices.Contains([]string{"debug", "info", "warn", "error"}, f.Level) {
		return out, &BadFilterError{fmt.Sprintf("level is %q; it is debug, info, warn or error", f.Level)}
	}
	var err error
	if f.Match != "" {
		if out.match, err = regexp.Compile(f.Match); err != nil {
			return out, &BadFilterError{fmt.Sprintf("match is no regular expression: %v", err)}
		}
	}
	return out, nil
}

// wants tells whether a node is asked for.
func (f filter) wants(n sandbox.Node) bool {
	return len(f.Nodes) == 0 || slices.ContainsFunc(f.Nodes, func(name string) bool {
		return name == n.Name || (n.Role != "" && name == n.Role) || name == string(n.Kind)
	})
}

// passes tells whether an entry is asked for.
func (f filter) passes(e entry) bool {
	return (f.Level == "" || rank(e.line.Level) >= rank(f.Level)) && (f.match == nil || f.match.MatchString(e.raw))
}

// entry is a line with those that belong to it.
type entry struct {
	line    sandbox.LogLine
	raw     string
	arrived time.Time
}

// Bounds.
const (
	maxLine    = 32 << 10 // bytes of a line; the rest is cut off
	maxMore    = 200      // lines that belong to one entry
	maxPending = 5_000    // entries that wait for a slow reader
	searchBack = 10       // times as many lines are read as are asked for when not all pass
)

// Read gives the latest entries of the nodes' logs and, if the filter says so, those that follow, until ctx ends or deliver
// fails. begun is called before the first. deliver is called by one goroutine at a time with at least one entry. Errors:
// *BadFilterError, *sandbox.UnknownNodeError, deliver's.
func Read(ctx context.Context, c Config, lf sandbox.LogFilter, begun func(), deliver func([]sandbox.LogLine) error) error {
	f, err := newFilter(lf)
	if err != nil {
		return err
	}
	if err := known(c.Nodes(), f); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &merger{c: c, f: f, streams: map[string]bool{}}
	if f.Follow {
		defer m.work.Wait()
		defer cancel()
		m.attach(ctx, true)
	}
	old, err := m.old(ctx)
	if err != nil {
		return err
	}
	begun()
	if len(old) > 0 {
		if err := deliver(old); err != nil {
			return err
		}
	}
	if !f.Follow {
		return nil
	}
	return m.follow(ctx, deliver)
}

func known(nodes []sandbox.Node, f filter) error {
	for _, name := range f.Nodes {
		one := filter{LogFilter: sandbox.LogFilter{Nodes: []string{name}}}
		if !slices.ContainsFunc(nodes, one.wants) {
			var names []string
			for _, n := range nodes {
				names = append(names, n.Name)
			}
			return &sandbox.UnknownNodeError{Node: name, Known: names}
		}
	}
	return nil
}

// merger puts the logs of several nodes together.
type merger struct {
	c       Config
	f       filter
	streams map[string]bool // nodes that are followed
	work    sync.WaitGroup

	mu      sync.Mutex
	pending []entry
	dropped int
	seen    map[string]bool // lines that are among the old ones and may come again
}

// old gives the latest entries of all logs.
func (m *merger) old(ctx context.Context) ([]sandbox.LogLine, error) {
	if m.f.Tail == 0 {
		return nil, nil
	}
	tail := m.f.Tail
	if m.f.match != nil || m.f.Level != "" {
		tail = min(tail*searchBack, sandbox.MaxLogTail*2)
	}
	var all []entry
	seen := map[string]bool{}
	for _, n := range m.c.Nodes() {
		if !m.f.wants(n) {
			continue
		}
		r, err := m.c.Open(ctx, n.Name, tail, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has not run yet
		}
		if err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", n.Name, err)
		}
		var mine []entry
		err = entries(n.Name, r, nil, func(e entry) { mine = append(mine, e) })
		r.Close()
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("read the log of %s: %w", n.Name, err)
		}
		for _, e := range mine[max(0, len(mine)-maxPending):] {
			seen[n.Name+e.raw] = true
		}
		mine = slices.DeleteFunc(mine, func(e entry) bool { return !m.f.passes(e) })
		all = append(all, mine[max(0, len(mine)-m.f.Tail):]...)
	}
	m.mu.Lock()
	m.seen = seen
	m.mu.Unlock()
	return lines(all), ctx.Err()
}

// lines sorts entries by time.
func lines(all []entry) []sandbox.LogLine {
	slices.SortStableFunc(all, func(a, b entry) int { return a.line.Time.Compare(b.line.Time) })
	out := make([]sandbox.LogLine, len(all))
	for i, e := range all {
		out[i] = e.line
	}
	return out
}

// entries reads a log to its end. A line that begins no entry belongs to the one before. between, if it is not nil, is
// called before each read that may wait.
func entries(node string, r io.Reader, between func(flush func()), give func(entry)) error {
	var now *entry
	var extra int
	flush := func() {
		if now != nil {
			give(*now)
		}
		now, extra = nil, 0
	}
	last := time.Time{}
	in := bufio.NewReaderSize(r, maxLine)
	for {
		if in.Buffered() == 0 && between != nil {
			between(flush)
		}
		text, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // too long: the rest is cut off
			kept := slices.Clone(text)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			text = kept
		}
		if line := strings.TrimRight(strings.ToValidUTF8(string(text), "\uFFFD"), "\r\n"); line != "" {
			l, begins := parse(line)
			switch {
			case begins:
				flush()
				l.Node, last = node, l.Time
				now = &entry{line: l, raw: line, arrived: time.Now()}
			case now != nil && extra < maxMore:
				extra++
				now.line.Text += "\n" + more(line)
				now.raw += "\n" + line
			case now == nil:
				if last.IsZero() {
					last = time.Now().UTC()
				}
				now = &entry{line: sandbox.LogLine{Node: node, Time: last, Text: more(line)}, raw: line, arrived: time.Now()}
			}
		}
		if err != nil {
			flush()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
