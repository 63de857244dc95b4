package balance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

const (
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 3 * time.Second
	// patience is how long a request waits while no upstream is ready: about a restart of a worker.
	patience = 10 * time.Second
	// maxAttempts bounds how many upstreams a request is sent to.
	maxAttempts = 5
	// maxHeld is how much of the answer to a safe request is read before any of it is passed on, in bytes.
	maxHeld = 1 << 20
)

var errNoneReady = errors.New("no REST worker is ready")

// lostError is a request that was sent to an upstream which did not answer it, and that must not be sent again.
type lostError struct {
	node string
	err  error
}

func (e *lostError) Error() string {
	return fmt.Sprintf("%s ended before it answered, and may have carried the request out or not: %v", e.node, e.err)
}

func (e *lostError) Unwrap() error { return e.err }

// clientError is a request whose body the client did not send to its end.
type clientError struct{ err error }

func (e *clientError) Error() string {
	return "the body of the request could not be read: " + e.err.Error()
}

func (e *clientError) Unwrap() error { return e.err }

// transport sends each request to one upstream, and to another one if that is safe:
//
//   - GET, HEAD and OPTIONS whenever there was no whole answer: up to 1 MiB of it is read before any is passed on;
//   - every other request only if no connection came about, so that nothing of it can have arrived. These do not use
//     connections again, since whether a request reached a worker on one that breaks cannot be told.
//
// PUT counts among the others, although HTTP calls it idempotent: a second PUT of a configuration section is a conflict.
type transport struct {
	pool     *pool
	health   *health
	safe     *http.Transport // keeps connections
	single   *http.Transport // one request per connection
	metrics  *metrics
	patience time.Duration
}

func newTransport(ca *x509.CertPool, p *pool, h *health, m *metrics) *transport {
	base := func() *http.Transport {
		return &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: ca, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: handshakeTimeout,
			// Shorter than a REST worker keeps a connection.
			IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 64,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true,
		}
	}
	t := &transport{p, h, base(), base(), m, patience}
	t.single.DisableKeepAlives = true
	return t
}

func (t *transport) close() {
	t.safe.CloseIdleConnections()
	t.single.CloseIdleConnections()
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// RoundTrip sends a request and gives the answer to it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &heldBody{ReadCloser: req.Body}
	tried := map[*upstream]bool{}
	for attempt := 1; ; attempt++ {
		u, err := t.pool.pick(req.Context(), tried, t.patience)
		if err != nil {
			return nil, err
		}
		tried[u] = true
		resp, connected, err := t.try(req, u, body)
		if err == nil {
			return resp, nil
		}
		if req.Context().Err() != nil { // the client is gone
			return nil, context.Cause(req.Context())
		}
		if unread := body.failure(); unread != nil {
			return nil, &clientError{unread}
		}
		again := !body.used() && (isSafe(req.Method) || !connected)
		if !connected {
			t.health.note(u, false, "it does not take connections: "+err.Error())
		}
		if !again || attempt == maxAttempts {
			return nil, &lostError{u.Node, err}
		}
		t.metrics.retried(u.Node, connected)
	}
}

// try sends a request to one upstream. connected tells whether it got a connection.
func (t *transport) try(req *http.Request, u *upstream, body *heldBody) (resp *http.Response, connected bool, err error) {
	start := time.Now()
	trace.SpanFromContext(req.Context()).SetAttributes(attribute.String("upstream", u.Node))
	lost := u.begin()
	t.metrics.inFlight.WithLabelValues(u.Node).Inc()
	ctx, cancel := context.WithCancelCause(req.Context())
	var got atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got.Store(true) }})
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host = "https", u.Address
	if req.Body != nil {
		out.Body = body
	}
	end := func(answered bool) {
		cancel(nil)
		u.end(answered)
		t.metrics.inFlight.WithLabelValues(u.Node).Dec()
	}
	if !isSafe(req.Method) {
		resp, err = t.single.RoundTrip(out)
	} else {
		stop := context.AfterFunc(lost, func() { cancel(fmt.Errorf("%s stopped answering its monitor", u.Node)) })
		resp, err = t.safe.RoundTrip(out)
		if err == nil {
			err = hold(resp)
		}
		stop()
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		end(false)
		return nil, got.Load(), err
	}
	t.metrics.answered(u.Node, req.Method, resp.StatusCode, time.Since(start))
	resp.Body = &endingBody{resp.Body, func() { end(true) }}
	return resp, true, nil
}

// hold reads the first MiB of an answer before it is passed on, which is the whole of most answers.
func hold(resp *http.Response) error {
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxHeld+1))
	if err != nil {
		resp.Body.Close()
		return err
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), rest}
	return nil
}

// heldBody is the body of a request over several attempts: an attempt that fails does not close it. The proxy closes the
// body itself when the request is over.
type heldBody struct {
	io.ReadCloser

	mu   sync.Mutex
	read bool
	err  error // why the client's side ended early
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read = true
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

func (b *heldBody) Close() error { return nil }

// used tells whether anything was read, so that the body cannot be sent again.
func (b *heldBody) used() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

func (b *heldBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// endingBody says when an answer has been passed on.
type endingBody struct {
	io.ReadCloser
	ended func()
}

func (b *endingBody) Close() error {
	defer func() {
		if b.ended != nil {
			b.ended()
			b.ended = nil
		}
	}()
	return b.ReadCloser.Close()
}
