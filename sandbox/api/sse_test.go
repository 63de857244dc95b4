package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/sandbox/tap"
)

// TestStreams tell an error before they begin as an answer of its own, and later as a last message.
func TestStreams(t *testing.T) {
	t.Parallel()
	unknown := &tap.UnknownTopicError{Topic: "a"}
	for name, tc := range map[string]struct {
		work   func(begun func(), send func([]string) error) error
		status int
		body   string
	}{
		"refused": {func(func(), func([]string) error) error { return unknown }, 404, `{"code":"not-found","message":"no topic is called a"}` + "\n"},
		"values": {func(_ func(), send func([]string) error) error {
			return errors.Join(send([]string{"a", "b"}), send([]string{"c"}))
		}, 200, "data: \"a\"\n\ndata: \"b\"\n\ndata: \"c\"\n\n"},
		"nothing": {func(begun func(), _ func([]string) error) error { begun(); return nil }, 200, ""},
		"late": {func(_ func(), send func([]string) error) error {
			return errors.Join(send([]string{"a"}), unknown)
		}, 200, "data: \"a\"\n\nevent: error\ndata: {\"code\":\"not-found\",\"message\":\"no topic is called a\"}\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{log: slog.New(slog.DiscardHandler), ending: context.Background()}
			w := httptest.NewRecorder()
			stream(s, w, httptest.NewRequest(http.MethodGet, "/", nil), func(_ context.Context, begun func(), send func([]string) error) error {
				return tc.work(begun, send)
			})
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("the answer is %d %q, want %d %q", w.Code, w.Body, tc.status, tc.body)
			}
		})
	}
}

// TestStreamsEndWithTheServer, without a word of failure.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	ending, end := context.WithCancel(t.Context())
	s := &Server{log: slog.New(slog.DiscardHandler), ending: ending}
	w := httptest.NewRecorder()
	stream(s, w, httptest.NewRequest(http.MethodGet, "/", nil), func(ctx context.Context, begun func(), _ func([]int) error) error {
		begun()
		end()
		<-ctx.Done()
		return ctx.Err()
	})
	if strings.Contains(w.Body.String(), "error") {
		t.Errorf("the answer is %q", w.Body)
	}
}
