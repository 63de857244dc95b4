package rest

import (
	"encoding/json"
	"errors"
	"net/http"
)

// answer is what an operation gives back when it is done.
type answer struct {
	status int
	body   any // a rawText is written as it is, nothing where the status has none, all else as JSON
}

// rawText is a string answer: without quotes, although its type is application/json, as in Corda 5.0.
type rawText string

func ok(body any) (answer, error) { return answer{http.StatusOK, body}, nil }

// write sends an answer.
func (a answer) write(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-cache")
	if a.status == http.StatusNoContent {
		w.WriteHeader(a.status)
		return nil
	}
	text, isText := a.body.(rawText)
	encoded := []byte(text)
	if !isText {
		var err error
		if encoded, err = json.Marshal(a.body); err != nil {
			return err
		}
	}
	return send(w, a.status, encoded)
}

// write sends a failure.
func (f *failure) write(w http.ResponseWriter) error {
	details := f.details
	if details == nil {
		details = map[string]string{}
	}
	encoded, err := json.MarshalIndent(Failure{Title: f.title, Status: int32(f.status), Details: details}, "", "    ") //nolint:gosec // an HTTP status
	if err != nil {
		return err
	}
	for key, values := range f.header {
		w.Header()[key] = values
	}
	return send(w, f.status, encoded)
}

func send(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff") // raw text from users must not be taken for a page
	w.WriteHeader(status)
	_, err := w.Write(body)
	if err != nil && errors.Is(err, http.ErrBodyNotAllowed) {
		return nil
	}
	return err
}
