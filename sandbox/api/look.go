package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// looks are the operations by which people look into the sandbox and that answer with JSON.
func (s *Server) looks() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /v1/nodes/{node}/config": func(r *http.Request) (any, error) {
			return s.supervisor.NodeConfig(r.Context(), r.PathValue("node"))
		},
		"GET /v1/databases": func(r *http.Request) (any, error) {
			return s.supervisor.Browser().Databases(r.Context())
		},
		"GET /v1/databases/{database}/tables": func(r *http.Request) (any, error) {
			return s.supervisor.Browser().Tables(r.Context(), r.PathValue("database"))
		},
		"GET /v1/databases/{database}/tables/{table}/rows": s.rows,
		"GET /v1/uniqueness/{vnode}":                       s.uniqueness,
	}
}

func (s *Server) rows(r *http.Request) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	return s.supervisor.Browser().Rows(r.Context(), r.PathValue("database"), r.PathValue("table"), p)
}

func (s *Server) uniqueness(r *http.Request) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	f := sandbox.UniquenessFilter{Show: q.Get("show"), Find: q.Get("find"), Page: p}
	return s.supervisor.Browser().Uniqueness(r.Context(), r.PathValue("vnode"), f)
}

func pageOf(r *http.Request) (sandbox.Page, error) {
	limit, err := number(r, "limit", 0)
	return sandbox.Page{After: r.URL.Query().Get("after"), Limit: limit}, err
}

// topology answers with one observation or, if it is to follow, streams them.
func (s *Server) topology(w http.ResponseWriter, r *http.Request) {
	if !follows(r) {
		t, err := s.supervisor.Topology(r.Context())
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, t)
		return
	}
	stream(s, w, r, func(ctx context.Context, begun func(), send func([]sandbox.Topology) error) error {
		begun()
		return s.supervisor.FollowTopology(ctx, func(t sandbox.Topology) error { return send([]sandbox.Topology{t}) })
	})
}

// messages streams the records of topics.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	tail, err := number(r, "tail", 0)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	q := r.URL.Query()
	f := sandbox.MessageFilter{
		Topic: q.Get("topic"), Key: q.Get("key"), Type: q.Get("type"), VNode: q.Get("vnode"), Text: q.Get("text"), Tail: tail,
	}
	stream(s, w, r, func(ctx context.Context, begun func(), send func([]sandbox.Message) error) error {
		return s.supervisor.Tap().Listen(ctx, f, begun, send)
	})
}

// merged streams the lines of all logs.
func (s *Server) merged(w http.ResponseWriter, r *http.Request) {
	tail, err := number(r, "tail", 0)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	q := r.URL.Query()
	f := sandbox.LogFilter{Level: q.Get("level"), Match: q.Get("match"), Tail: tail, Follow: follows(r)}
	if names := q.Get("node"); names != "" {
		f.Nodes = strings.Split(names, ",")
	}
	stream(s, w, r, func(ctx context.Context, begun func(), send func([]sandbox.LogLine) error) error {
		return s.readLogs(ctx, f, begun, send)
	})
}
