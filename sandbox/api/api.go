// Package api serves a supervisor over HTTP and SSE on a unix socket that only its user can open. Its description for
// machines is docs/supervisor-api.yaml. Front ends use package client and must not import this one.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/supervisor"
	"github.com/cordage-sandbox/cordage/sandbox/trace"
)

// Server serves one supervisor.
type Server struct {
	dir        sandbox.Dir
	supervisor *supervisor.Supervisor
	log        *slog.Logger
	http       *http.Server
	listener   net.Listener
	ending     context.Context // ends open streams when the server is to close
	end        context.CancelFunc
}

// Listen opens the socket. Only the holder of the sandbox's lock may call it: it takes the place of a socket that a
// killed supervisor left.
func Listen(d sandbox.Dir, s *supervisor.Supervisor, log *slog.Logger) (*Server, error) {
	if err := d.MakeSocketDir(); err != nil {
		return nil, err
	}
	if err := os.Remove(d.Socket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replace the socket: %w", err)
	}
	l, err := listen(d.Socket())
	if err != nil {
		return nil, fmt.Errorf("listen on the supervisor's socket: %w", err)
	}
	if err := os.Chmod(d.Socket(), socketMode); err != nil { // where the mode given before had no effect
		l.Close()
		return nil, fmt.Errorf("close the supervisor's socket to others: %w", err)
	}
	server := &Server{dir: d, supervisor: s, log: log, listener: l}
	server.ending, server.end = context.WithCancel(context.Background())
	const headerLimit = 10 * time.Second
	server.http = &http.Server{Handler: server.routes(), ReadHeaderTimeout: headerLimit}
	return server, nil
}

// socketMode lets the user of the supervisor connect, and nobody else.
const socketMode = 0o600

// listen makes a socket that on Linux has its mode from its first moment, whatever the umask: a socket takes over the mode
// that its descriptor had before it got a name.
func listen(path string) (net.Listener, error) {
	closed := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) }) // elsewhere than on Linux it fails
	}}
	return closed.Listen(context.Background(), "unix", path)
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the supervisor's API: %w", err)
	}
	return nil
}

// Close lets requests in hand finish, for a second, and removes the socket.
func (s *Server) Close() error {
	time.AfterFunc(200*time.Millisecond, s.end) // streams have got their last event by then
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	answers := s.answers()
	maps.Copy(answers, s.looks())
	for pattern, h := range answers {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := checkQuery(pattern, r); err != nil {
				s.refuse(w, r, err)
				return
			}
			answer, err := h(r)
			if err != nil {
				s.refuse(w, r, err)
				return
			}
			write(w, http.StatusOK, answer)
		})
	}
	for _, handlers := range []map[string]http.HandlerFunc{s.streams(), s.exchanges()} {
		for pattern, h := range handlers {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				if err := checkQuery(pattern, r); err != nil {
					s.refuse(w, r, err)
					return
				}
				h(w, r)
			})
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, &requestError{http.StatusNotFound, fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path)})
	})
	return mux
}

// answers are the operations that answer with JSON.
func (s *Server) answers() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /v1/sandbox":                 func(*http.Request) (any, error) { return s.supervisor.Snapshot().Sandbox, nil },
		"GET /v1/nodes":                   func(*http.Request) (any, error) { return s.supervisor.Snapshot().Nodes, nil },
		"GET /v1/nodes/{node}":            s.node,
		"POST /v1/nodes/{node}/restart":   s.control((*supervisor.Supervisor).Restart),
		"POST /v1/nodes/{node}/kill":      s.control((*supervisor.Supervisor).Kill),
		"POST /v1/nodes/{node}/pause":     s.control((*supervisor.Supervisor).Pause),
		"POST /v1/nodes/{node}/unpause":   s.control((*supervisor.Supervisor).Unpause),
		"PUT /v1/workers/{role}/replicas": s.scale,
		"GET /v1/clock":                   func(*http.Request) (any, error) { return s.supervisor.Clock(), nil },
		"PUT /v1/clock":                   s.clock,
		"GET /v1/topics":                  func(r *http.Request) (any, error) { return s.supervisor.Topics(r.Context()) },
		"GET /v1/traces":                  s.traces,
		"GET /v1/traces/{id}":             s.trace,
		"GET /v1/credentials":             func(*http.Request) (any, error) { return s.supervisor.Credentials(), nil },
		"GET /v1/start-profile":           s.profile,
		"POST /v1/stop":                   s.stop,
	}
}

// streams are the operations that answer as long as there is something to tell.
func (s *Server) streams() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/events": s.events, "GET /v1/nodes/{node}/logs": s.logs, "GET /v1/logs": s.merged, "GET /v1/messages": s.messages,
		"GET /v1/topology": s.topology,
	}
}

// exchanges are the operations whose bodies are not JSON, as another protocol has them.
func (s *Server) exchanges() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"POST /v1/traces": s.spans}
}

func (s *Server) node(r *http.Request) (any, error) {
	nodes := s.supervisor.Snapshot().Nodes
	known := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if n.Name == r.PathValue("node") {
			return n, nil
		}
		known = append(known, n.Name)
	}
	return nil, &sandbox.UnknownNodeError{Node: r.PathValue("node"), Known: known}
}

func (s *Server) control(do func(*supervisor.Supervisor, context.Context, string) ([]sandbox.Node, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) { return do(s.supervisor, r.Context(), r.PathValue("node")) }
}

// Replicas is the body of PUT /v1/workers/{role}/replicas.
type Replicas struct {
	Replicas *int `json:"replicas"`
}

func (s *Server) scale(r *http.Request) (any, error) {
	var body Replicas
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if body.Replicas == nil {
		return nil, badRequest("replicas is missing")
	}
	if err := sandbox.CheckReplicas(r.PathValue("role"), *body.Replicas); err != nil {
		return nil, badRequest(err.Error())
	}
	return s.supervisor.Scale(r.Context(), r.PathValue("role"), *body.Replicas)
}

func (s *Server) clock(r *http.Request) (any, error) {
	var change sandbox.ClockChange
	if err := readBody(r, &change); err != nil {
		return nil, err
	}
	if _, err := change.Apply(s.supervisor.Clock(), time.Now()); err != nil {
		return nil, badRequest(err.Error())
	}
	return s.supervisor.SetClock(r.Context(), change)
}

func (s *Server) traces(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 50)
	if err != nil {
		return nil, err
	}
	return s.supervisor.Traces().Recent(limit), nil
}

func (s *Server) trace(r *http.Request) (any, error) {
	t, ok := s.supervisor.Traces().Find(r.PathValue("id"))
	if !ok {
		return nil, &requestError{http.StatusNotFound, fmt.Sprintf("no trace, or more than one, begins with %q", r.PathValue("id"))}
	}
	return t, nil
}

// spans takes the spans of front ends, so that a request can be followed from where it began.
func (s *Server) spans(w http.ResponseWriter, r *http.Request) {
	trace.Handler(s.supervisor.Traces()).ServeHTTP(w, r)
}

func (s *Server) profile(*http.Request) (any, error) {
	snap := s.supervisor.Snapshot()
	return sandbox.NewProfile(snap.Sandbox.Took, snap.Steps), nil
}

// Stop is the body of POST /v1/stop.
type Stop struct {
	Purge bool `json:"purge"`
}

func (s *Server) stop(r *http.Request) (any, error) {
	var body Stop
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := s.supervisor.Stop(r.Context(), body.Purge); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// requestError is a request that cannot be served, with its status.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badRequest(text string) error { return &requestError{http.StatusBadRequest, text} }

// maxBody bounds a request body, in bytes.
const maxBody = 64 << 10

func readBody(r *http.Request, into any) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return badRequest("read the body: " + err.Error())
	}
	if len(text) > maxBody {
		return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", maxBody)}
	}
	if len(text) == 0 {
		return nil
	}
	if err := decodeStrict(text, into); err != nil {
		return badRequest("read the body: " + err.Error())
	}
	return nil
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}
