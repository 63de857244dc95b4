package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Monitor serves the state of a worker over plain HTTP, without authentication.
//
//	GET /isHealthy  200, or 503 if any component is ERROR; no body
//	GET /status     200, or 503 if any component is DOWN or ERROR; a JSON object: component → {status, reason}, and info
//	GET /metrics    Prometheus text
//
// Source: Corda 5.0, WorkerMonitor. There a component's entry also repeats its name.
type Monitor struct {
	addr string
	tel  *Telemetry
	info func() map[string]any
}

// NewMonitor makes a monitor that listens on addr (host:port). The members that info gives, if it is not nil, stand
// beside the components in /status; it is called for each request.
func NewMonitor(addr string, tel *Telemetry, info func() map[string]any) *Monitor {
	return &Monitor{addr, tel, info}
}

const monitorTimeout = 5 * time.Second

// Run serves until ctx ends. It calls ready when it listens.
func (m *Monitor) Run(ctx context.Context, ready func()) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", m.addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("serve health and metrics on %s: %w", m.addr, err)
	}
	server := &http.Server{
		Handler: m.Handler(), ReadHeaderTimeout: monitorTimeout, ReadTimeout: monitorTimeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: 1 << 14, ErrorLog: slog.NewLogLogger(m.tel.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	})
	ready()
	err = server.Serve(listener)
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve health and metrics on %s: %w", m.addr, err)
}

// Handler is what the monitor serves.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /isHealthy", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(m.code(Error))
	})
	mux.HandleFunc("GET /status", m.status)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.tel.Gatherer, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}

// code is 503 if any component is in one of the bad states, otherwise 200.
func (m *Monitor) code(bad ...State) int {
	for _, c := range m.tel.Status.Components() {
		for _, state := range bad {
			if c.State == state {
				return http.StatusServiceUnavailable
			}
		}
	}
	return http.StatusOK
}

func (m *Monitor) status(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	if m.info != nil {
		for name, value := range m.info() {
			body[name] = value
		}
	}
	for name, c := range m.tel.Status.Components() {
		body[name] = c
	}
	text, err := json.Marshal(body)
	if err != nil {
		m.tel.Log.ErrorContext(r.Context(), "write /status", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(m.code(Down, Error))
	w.Write(append(text, '\n')) //nolint:errcheck // the client is gone
}
