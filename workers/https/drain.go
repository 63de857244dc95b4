package https

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// What is still read of a body that the handler did not want, so that the client gets to see why: bytes, and time for all
// of them. The bytes are more than the largest request that the REST API takes by default.
const (
	maxUnwanted  = 256 << 20
	unwantedTime = 10 * time.Second
)

// readToEnd reads the rest of a body that the handler has left unread, before the answer ends. Many clients, and a load
// balancer, send the whole of a request before they read the answer: if the server closes the connection on them, they see
// a broken connection in place of the refusal.
func readToEnd(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			h.ServeHTTP(w, r)
			return
		}
		body := &unclosed{Reader: r.Body}
		r.Body = body
		h.ServeHTTP(w, r)
		if r.Header.Get("Expect") != "" && !body.begun.Load() {
			return // the client waits for a word before it sends the body, and reads the answer as that word
		}
		deadline := time.Now().Add(unwantedTime)
		err := http.NewResponseController(w).SetReadDeadline(deadline)
		for left := int64(maxUnwanted); err == nil && left > 0 && time.Now().Before(deadline); {
			var n int64
			n, err = io.CopyN(io.Discard, body, min(left, 1<<20))
			left -= n
		}
		if err != nil && !errors.Is(err, io.EOF) {
			w.Header().Set("Connection", "close") // if the answer has not gone yet
		}
	})
}

// unclosed is the body of a request that a handler cannot close, since a closed one cannot be read to its end. The server
// closes it after the answer.
type unclosed struct {
	io.Reader
	begun atomic.Bool
}

func (b *unclosed) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.Reader.Read(p)
}

func (b *unclosed) Close() error { return nil }
