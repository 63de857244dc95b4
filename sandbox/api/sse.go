package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// idle is how long a stream may be silent before a comment shows both ends that the other is there.
const idle = 15 * time.Second

// stream answers with server-sent events, one message for each value that f sends, until f returns or the client or the
// server ends. Until f calls begun an error is an answer of its own; later it is a message of type error.
func stream[T any](s *Server, w http.ResponseWriter, r *http.Request, f func(ctx context.Context, begun func(), send func([]T) error) error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	out := &sse{w: w, flush: http.NewResponseController(w).Flush}
	var alive sync.WaitGroup
	begun := sync.OnceFunc(func() {
		out.begin()
		alive.Go(func() { out.keepAlive(ctx) })
	})
	err := f(ctx, begun, func(values []T) error {
		begun()
		return send(out, values)
	})
	cancelled := ctx.Err() != nil
	cancel()
	alive.Wait() // nobody may write when the handler has returned
	switch {
	case err == nil || cancelled:
	case !out.begun:
		s.refuse(w, r, err)
	default:
		out.fail(problemOf(err))
	}
}

// sse writes server-sent events.
type sse struct {
	w     http.ResponseWriter
	flush func() error

	mu    sync.Mutex
	begun bool
}

func (o *sse) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun = true
	o.w.Header().Set("Content-Type", "text/event-stream")
	o.w.Header().Set("Cache-Control", "no-store")
	o.w.WriteHeader(http.StatusOK)
	_ = o.flush() // told again with the first message
}

func send[T any](o *sse, values []T) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range values {
		text, err := json.Marshal(&values[i])
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(o.w, "data: %s\n\n", text); err != nil {
			return err
		}
	}
	return o.flush()
}

// fail tells why the stream ends.
func (o *sse) fail(p Problem) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, _ := json.Marshal(p) // strings
	_, _ = fmt.Fprintf(o.w, "event: error\ndata: %s\n\n", text)
	_ = o.flush() // the client is gone, or not
}

func (o *sse) keepAlive(ctx context.Context) {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.mu.Lock()
			_, err := io.WriteString(o.w, ": still here\n\n")
			if err == nil {
				err = o.flush()
			}
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}
}
