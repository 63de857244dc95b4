// Package https is the HTTPS listener of those workers that have one: certificate, limits, and an end in which requests
// in hand are finished. It knows nothing of what is served. The REST worker and the load balancer use it.
package https

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/cordage-sandbox/cordage/workers/role"
)

// Limits of connections. A client that is slow in sending its header or body, or silent between requests, is cut off; a
// body that is being read has its limits moved on with each piece ([PacedBody]).
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second // of a whole request that nobody reads on
	writeTimeout   = 60 * time.Second // from the end of the header, or the last piece of the body, to the end of the answer
	idleTimeout    = 75 * time.Second
	pieceTimeout   = 30 * time.Second // between two pieces of a body
	maxHeader      = 64 << 10         // bytes
	maxConnections = 1000
	drainTimeout   = 10 * time.Second
)

// Serve serves until ctx ends, then lets the requests in hand finish, for ten seconds at most. It calls ready when it
// listens.
func Serve(ctx context.Context, boot role.RESTBoot, h http.Handler, log *slog.Logger, ready func()) error {
	certificate, err := tls.X509KeyPair([]byte(boot.Certificate), []byte(boot.Key))
	if err != nil {
		return fmt.Errorf("read the certificate of the REST API: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", boot.Listen)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			listener.Close()
		}
		return nil
	case err != nil:
		return fmt.Errorf("serve REST on %s: %w", boot.Listen, err)
	}
	server := &http.Server{
		Handler:           readToEnd(h),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSConfig:      &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		Protocols:      new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true) // and nothing else, as in Corda 5.0
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close() // connections that would not end
		}
	})
	ready()
	err = server.ServeTLS(newLimited(listener, maxConnections), "", "")
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve REST on %s: %w", boot.Listen, err)
}

// PacedBody gives each read of a request's body its own time limit: a large upload may take long, a stalled one may not.
func PacedBody(w http.ResponseWriter, body io.ReadCloser) io.ReadCloser {
	return pacedBody{body, http.NewResponseController(w), pieceTimeout}
}

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	piece   time.Duration
}

func (b pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	err := errors.Join(b.control.SetReadDeadline(now.Add(b.piece)), b.control.SetWriteDeadline(now.Add(b.piece+writeTimeout)))
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // not supported where the connection is no real one
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// The server takes a limit that passes while the handler works for the client's end, and ends the request's context.
		_ = b.control.SetReadDeadline(time.Time{}) // not supported where the connection is no real one
	}
	return n, err
}
