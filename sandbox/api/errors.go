package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// Problem is the body of every answer that is not a success.
type Problem struct {
	Code    string `json:"code"` // stable: not-found, bad-request, busy, timeout, failed
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, code := http.StatusInternalServerError, "failed"
	if e, ok := errors.AsType[*requestError](err); ok {
		status, code = e.status, "bad-request"
		if status == http.StatusNotFound {
			code = "not-found"
		}
	} else if _, ok := errors.AsType[*sandbox.UnknownNodeError](err); ok {
		status, code = http.StatusNotFound, "not-found"
	} else if _, ok := errors.AsType[*sandbox.BusyError](err); ok {
		status, code = http.StatusConflict, "busy"
	} else if errors.Is(err, context.DeadlineExceeded) {
		status, code = http.StatusGatewayTimeout, "timeout"
	}
	p := Problem{Code: code, Message: err.Error()}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		p.Hint = h.Hint()
	}
	if status >= http.StatusInternalServerError {
		s.log.WarnContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	write(w, status, p)
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
