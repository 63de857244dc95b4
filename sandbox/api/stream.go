package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/logs"
)

// events streams the supervisor's events: one SSE message each, its id the event's number. With ?since=N it goes on after
// event N if those since then are still kept; otherwise, and without it, the full state comes first.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	since, err := number(r, "since", -1)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	events := s.supervisor.Subscribe(ctx, since)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				return
			}
			text, err := json.Marshal(e)
			if err != nil {
				s.log.ErrorContext(ctx, "event cannot be written", "error", err)
				return
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Seq, text); err != nil {
				return
			}
		case <-tick.C:
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// logs streams a node's log as text. The node "supervisor" is the supervisor itself.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	tail, err := number(r, "tail", -1)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	from, err := s.openLog(ctx, r.PathValue("node"), tail, follows(r))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer from.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(flushing{w, http.NewResponseController(w)}, from) // ends with the log, the client or the server
}

func (s *Server) openLog(ctx context.Context, node string, tail int, follow bool) (io.ReadCloser, error) {
	c := s.supervisor.Logs()
	var known []string
	for _, n := range c.Nodes() {
		known = append(known, n.Name)
		if n.Name == node {
			return c.Open(ctx, node, tail, follow)
		}
	}
	return nil, &sandbox.UnknownNodeError{Node: node, Known: known}
}

// readLogs gives the lines of all logs.
func (s *Server) readLogs(ctx context.Context, f sandbox.LogFilter, begun func(), send func([]sandbox.LogLine) error) error {
	return logs.Read(ctx, s.supervisor.Logs(), f, begun, send)
}

// flushing sends each piece at once.
type flushing struct {
	w   io.Writer
	out *http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	return n, errors.Join(err, f.out.Flush())
}
