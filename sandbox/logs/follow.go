package logs

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Times of following.
const (
	settle  = 150 * time.Millisecond // an entry waits so long for earlier ones of other nodes, and for lines that belong to it
	tick    = 50 * time.Millisecond
	newOnes = time.Second     // how often new nodes are looked for
	doubles = 3 * time.Second // how long what is followed may repeat what was read before
)

// attach follows the logs of nodes that are not followed yet: all that they write from now on, or from their beginning.
func (m *merger) attach(ctx context.Context, first bool) {
	for _, n := range m.c.Nodes() {
		if m.streams[n.Name] || !m.f.wants(n) {
			continue
		}
		tail := 0
		if !first {
			tail = -1 // it is new
		}
		r, err := m.c.Open(ctx, n.Name, tail, true)
		if err != nil {
			continue // it has not run yet; tried again
		}
		m.streams[n.Name] = true
		m.work.Go(func() {
			stop := context.AfterFunc(ctx, func() { r.Close() })
			defer stop()
			defer r.Close()
			s := &settling{r: r}
			_ = entries(n.Name, s, s.begin, m.put) // it ends with ctx
			s.close()
		})
	}
}

// settling reads in a goroutine of its own, so that an entry is given when nothing has followed it for a while.
type settling struct {
	r     io.Reader
	once  sync.Once
	parts chan []byte
	rest  []byte
	flush func()
	done  chan struct{}
}

func (s *settling) begin(flush func()) {
	s.flush = flush
	s.once.Do(func() {
		s.parts, s.done = make(chan []byte), make(chan struct{})
		go func() {
			defer close(s.parts)
			for {
				buffer := make([]byte, 8<<10)
				n, err := s.r.Read(buffer)
				if n > 0 {
					select {
					case s.parts <- buffer[:n]:
					case <-s.done:
						return
					}
				}
				if err != nil {
					return
				}
			}
		}()
	})
}

func (s *settling) close() { close(s.done) }

// Read gives what has come, and flushes the entry at hand when nothing comes for a while.
func (s *settling) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		timer := time.NewTimer(settle / 2)
		select {
		case part, open := <-s.parts:
			timer.Stop()
			if !open {
				return 0, io.EOF
			}
			s.rest = part
		case <-timer.C:
			s.flush()
			part, open := <-s.parts
			if !open {
				return 0, io.EOF
			}
			s.rest = part
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// put takes an entry that is followed, if it passes.
func (m *merger) put(e entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[e.line.Node+e.raw] || !m.f.passes(e) {
		return
	}
	if m.pending = append(m.pending, e); len(m.pending) > maxPending {
		n := len(m.pending) / 8
		m.pending = slices.Delete(m.pending, 0, n)
		m.dropped += n
	}
}

// follow delivers what comes.
func (m *merger) follow(ctx context.Context, deliver func([]sandbox.LogLine) error) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began, looked := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if time.Since(looked) > newOnes {
			m.attach(ctx, false)
			looked = time.Now()
		}
		if batch := m.settled(time.Since(began) > doubles); len(batch) > 0 {
			if err := deliver(batch); err != nil {
				return err
			}
		}
	}
}

// settled takes the entries that have waited long enough.
func (m *merger) settled(noDoubles bool) []sandbox.LogLine {
	m.mu.Lock()
	defer m.mu.Unlock()
	if noDoubles {
		m.seen = nil
	}
	var ready []entry
	m.pending = slices.DeleteFunc(m.pending, func(e entry) bool {
		if time.Since(e.arrived) < settle {
			return false
		}
		ready = append(ready, e)
		return true
	})
	out := lines(ready)
	if len(out) > 0 {
		out[0].Dropped, m.dropped = m.dropped, 0
	}
	return out
}
