package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/browse"
	"github.com/cordage-sandbox/cordage/sandbox/logs"
	"github.com/cordage-sandbox/cordage/sandbox/tap"
)

// Problem is the body of every answer that is not a success.
type Problem struct {
	Code    string `json:"code"` // stable: not-found, bad-request, busy, timeout, failed
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, _ := classify(err)
	if status >= http.StatusInternalServerError {
		s.log.WarnContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	write(w, status, problemOf(err))
}

// classify gives the status and the code of an error.
func classify(err error) (status int, code string) {
	if e, ok := errors.AsType[*requestError](err); ok {
		if e.status == http.StatusNotFound {
			return e.status, "not-found"
		}
		return e.status, "bad-request"
	}
	switch {
	case is[*sandbox.UnknownNodeError](err), is[*browse.NotFoundError](err), is[*tap.UnknownTopicError](err):
		return http.StatusNotFound, "not-found"
	case is[*browse.BadRequestError](err), is[*tap.BadFilterError](err), is[*logs.BadFilterError](err):
		return http.StatusBadRequest, "bad-request"
	case is[*sandbox.BusyError](err):
		return http.StatusConflict, "busy"
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "timeout"
	}
	return http.StatusInternalServerError, "failed"
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func problemOf(err error) Problem {
	_, code := classify(err)
	p := Problem{Code: code, Message: err.Error()}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		p.Hint = h.Hint()
	}
	return p
}

// decodeStrict reads one JSON value and refuses unknown members and anything after it.
func decodeStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the JSON value")
	}
	return nil
}
