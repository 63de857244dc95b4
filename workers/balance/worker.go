// Package balance is the load balancer (worker type lb): it ends TLS before the REST workers, spreads requests over those
// that are ready, and sends a request to another one if a worker dies and that is safe. It has no connection to the bus
// or any database. No other worker may import it.
package balance

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/workers/https"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// Worker is a load balancer.
type Worker struct {
	env       role.Env
	pool      *pool
	transport *transport
	health    *health
	proxy     *httputil.ReverseProxy
}

// componentUpstreams is the component in /status that is UP while at least one REST worker is ready.
const componentUpstreams = "rest workers"

// New makes a load balancer from its boot parameters.
func New(env role.Env) (role.Worker, error) {
	boot := env.Boot.Balancer
	if boot == nil {
		return nil, errors.New("a load balancer needs its listener and upstreams in its boot parameters")
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM([]byte(boot.CA)) {
		return nil, errors.New("the certificate authority of the upstreams is no certificate in PEM form")
	}
	m, err := newMetrics(env.Telemetry.Metrics)
	if err != nil {
		return nil, err
	}
	w := &Worker{env: env, pool: newPool()}
	w.health = &health{pool: w.pool, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}, metrics: m, news: w.news}
	w.transport = newTransport(ca, w.pool, w.health, m)
	w.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: w.transport, ErrorHandler: w.failed, ModifyResponse: noteStatus,
		ErrorLog: slog.NewLogLogger(env.Telemetry.Log.Handler(), slog.LevelDebug),
	}
	return w, nil
}

// Info shows the upstreams in /status.
func (w *Worker) Info() map[string]any {
	views := []view{}
	for _, u := range w.pool.list() {
		views = append(views, u.view())
	}
	return map[string]any{"upstreams": views}
}

// Run serves until ctx ends. It is ready once one REST worker is.
func (w *Worker) Run(ctx context.Context, ready func()) error {
	defer w.transport.close()
	defer w.health.client.CloseIdleConnections()
	return role.RunAll(ctx, w.env.Telemetry.Status, ready,
		role.Component{Name: "listener", Run: func(ctx context.Context, ready func()) error {
			return https.Serve(ctx, w.env.Boot.Balancer.RESTBoot, w, w.env.Telemetry.Log, ready)
		}},
		role.Component{Name: componentUpstreams, Run: w.watchUpstreams},
	)
}

// watchUpstreams keeps the list of upstreams, and what is known about each, up to date. It goes on a little while after ctx
// has ended, for the requests in hand.
func (w *Worker) watchUpstreams(ctx context.Context, ready func()) error {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	ws := &watchers{health: w.health, stop: map[*upstream]context.CancelFunc{}}
	defer ws.wait.Wait()
	defer stop()
	load := func(list []role.Upstream) {
		added, removed := w.pool.replace(list)
		for _, u := range removed {
			ws.end(u)
		}
		for _, u := range added {
			ws.start(watching, u)
		}
		w.env.Telemetry.Log.InfoContext(ctx, "upstreams", "all", len(list), "new", len(added), "gone", len(removed))
	}
	load(w.env.Boot.Balancer.Upstreams)
	first := make(chan struct{})
	go func() {
		defer close(first)
		for ctx.Err() == nil {
			if _, err := w.pool.pick(ctx, nil, time.Minute); err == nil {
				ready()
				return
			}
		}
	}()
	defer func() { <-first }()
	for {
		select {
		case boot := <-w.env.Reload:
			if boot.Balancer != nil {
				load(boot.Balancer.Upstreams)
				w.mark()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// news is called when an upstream becomes ready, or is not any more.
func (w *Worker) news(u *upstream, ready bool, reason string) {
	w.env.Telemetry.Log.Info("upstream", "upstream", u.Node, "ready", ready, "reason", reason)
	w.mark()
}

// mark shows in /status whether any upstream is ready.
func (w *Worker) mark() {
	component := w.env.Telemetry.Status.Component(componentUpstreams)
	for _, u := range w.pool.list() {
		if _, ready := u.load(); ready {
			component.Up()
			return
		}
	}
	component.Down(errNoneReady.Error())
}

// ServeHTTP passes a request on.
func (w *Worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := w.env.Telemetry.Tracer.Start(ctx, knownMethod(r.Method), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", knownMethod(r.Method)), attribute.String("url.path", r.URL.Path)))
	defer span.End()
	r = r.WithContext(ctx)
	if r.Body != nil {
		r.Body = https.PacedBody(rw, r.Body)
	}
	w.proxy.ServeHTTP(rw, r)
}

// rewrite makes the request to an upstream: as it came in, with the trace and who sent it.
func rewrite(p *httputil.ProxyRequest) {
	p.Out.Host = p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery // exactly as it was sent: permissions are matched against it
	p.SetXForwarded()
	propagation.TraceContext{}.Inject(p.In.Context(), propagation.HeaderCarrier(p.Out.Header))
}

// noteStatus puts the status into the span.
func noteStatus(resp *http.Response) error {
	trace.SpanFromContext(resp.Request.Context()).SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	return nil
}

// failed answers for the upstreams, in the form that errors of the REST API have.
func (w *Worker) failed(rw http.ResponseWriter, r *http.Request, err error) {
	status, title := http.StatusBadGateway, err.Error()
	switch {
	case r.Context().Err() != nil: // the client is gone; an empty answer would be a success to anybody who still listens
		panic(http.ErrAbortHandler)
	case isClientError(err):
		status, title = http.StatusBadRequest, "The body of the request could not be read to its end"
	case errors.Is(err, errNoneReady):
		status, title = http.StatusServiceUnavailable, "No REST worker is ready"
		rw.Header().Set("Retry-After", "1")
	}
	w.env.Telemetry.Log.WarnContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	span := trace.SpanFromContext(r.Context())
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	span.SetStatus(codes.Error, title)
	body, err := json.MarshalIndent(failure{title, status, map[string]string{}}, "", "    ")
	if err != nil {
		panic(err) // strings and numbers
	}
	rw.Header().Set("X-Trace-Id", span.SpanContext().TraceID().String())
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	rw.Write(body) //nolint:errcheck // the client is gone
}

// failure is the form that errors of the REST API have.
type failure struct {
	Title   string            `json:"title"`
	Status  int               `json:"status"`
	Details map[string]string `json:"details"`
}

func isClientError(err error) bool {
	_, is := errors.AsType[*clientError](err)
	return is
}
