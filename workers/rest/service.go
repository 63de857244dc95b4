package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/https"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/rest/access"
	"github.com/cordage-sandbox/cordage/workers/rest/lenient"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// service answers requests. It holds no state of its own beyond caches: all it knows comes from the bus.
type service struct {
	operations []operation
	guard      *access.Guard
	cluster    *cluster
	settings   *liveSettings
	swagger    *swagger
	creating   *inHand
	times      requestTime
	validate   validator
	clock      *clock.Clock
	tel        *telemetry.Telemetry
}

// validator checks the text of a configuration section against its schema.
type validator func(section string, version record.SchemaVersion, text string) error

func newService(c *cluster, guard *access.Guard, validate validator, settings *liveSettings, clk *clock.Clock, tel *telemetry.Telemetry) (*service, error) {
	doc, err := loadContract()
	if err != nil {
		return nil, err
	}
	s := &service{guard: guard, cluster: c, settings: settings, validate: validate, creating: newInHand(), clock: clk, tel: tel}
	if s.swagger, err = newSwagger(doc, settings); err != nil {
		return nil, err
	}
	if s.times, err = newRequestTime(tel.Metrics); err != nil {
		return nil, fmt.Errorf("register REST metrics: %w", err)
	}
	s.operations, err = operations(doc, s.handlers())
	return s, err
}

// handlers has what carries out each operation of the contract.
func (s *service) handlers() map[string]handler {
	return map[string]handler{
		"get_hello_getprotocolversion":        protocolVersion(99),
		"get_config_getprotocolversion":       protocolVersion(1),
		"get_cpi_getprotocolversion":          protocolVersion(1),
		"get_virtualnode_getprotocolversion":  protocolVersion(1),
		"get_certificates_getprotocolversion": protocolVersion(1),

		"post_hello": s.hello,

		"put_config":           s.putConfig,
		"get_config__section_": s.getConfig,

		"post_cpi":            s.postCPI,
		"get_cpi":             s.getCPIs,
		"get_cpi_status__id_": s.getCPIStatus,

		"post_virtualnode": s.postVirtualNode,
		"get_virtualnode":  s.getVirtualNodes,
		"get_virtualnode__holdingidentityshorthash_": s.getVirtualNode,
		"get_virtualnode_status__requestid_":         s.getVirtualNodeStatus,

		"put_certificates_cluster__usage_":         s.putCertificate,
		"get_certificates_cluster__usage_":         s.getCertificateAliases,
		"get_certificates_cluster__usage___alias_": s.getCertificate,
	}
}

func protocolVersion(version int32) handler {
	return func(context.Context, *request) (answer, error) { return ok(version) }
}

// ServeHTTP answers a request, whatever it is.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w, r, done := s.observe(w, r)
	defer done()
	defer s.recoverPanic(w, r)
	if err := s.serve(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if writeErr := asFailure(r.Context(), s.tel.Log, err).write(w); writeErr != nil {
		s.tel.Log.DebugContext(r.Context(), "the client is gone before its answer", "error", writeErr)
	}
}

// recoverPanic turns a panic into a 500: one request must not end the worker.
func (s *service) recoverPanic(w http.ResponseWriter, r *http.Request) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		s.tel.Log.ErrorContext(r.Context(), "panic in an operation", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
		s.fail(w, r, fmt.Errorf("panic: %v", cause))
	}
}

// serve does what comes before an operation, in the order of Corda 5.0: what is not found or must be spelled otherwise is
// told to anybody; then comes the size, then who it is, then what they may.
func (s *service) serve(w http.ResponseWriter, r *http.Request) error {
	if err := s.crossOrigin(w, r); err != nil {
		return err
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	path := r.URL.EscapedPath() // as it was sent
	if s.swagger.serve(w, r, path) {
		return nil
	}
	m, known := s.find(r.Method, path)
	switch {
	case !known:
		return fail(http.StatusNotFound, "Not found")
	case m.redirect != "":
		if r.URL.RawQuery != "" {
			m.redirect += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", m.redirect)
		w.WriteHeader(http.StatusMovedPermanently)
		return nil
	}
	setRoute(r.Context(), m.operation)
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	limit := s.settings.get().maxContentLength
	if r.Method != http.MethodGet && r.ContentLength > limit {
		return fail(http.StatusBadRequest, "The request is longer than %d bytes (maxContentLength of corda.rest)", limit)
	}
	who, err := s.admit(r, m, path)
	if err != nil {
		return err
	}
	if !m.operation.form {
		limit = min(limit, maxJSON)
	}
	body := https.PacedBody(w, http.MaxBytesReader(w, r.Body, limit))
	a, err := m.operation.handle(r.Context(), &request{
		operation: m.operation, who: who, values: m.values, query: lenient.ParseQuery(r.URL.RawQuery), http: r, body: body,
	})
	if err != nil {
		return err
	}
	return a.write(w)
}

// admit finds out who sent the request, and whether they may do it.
func (s *service) admit(r *http.Request, m match, path string) (access.Principal, error) {
	if m.operation.open {
		return access.Principal{}, nil
	}
	who, err := s.guard.Authenticate(r.Context(), r.Header.Get("Authorization"))
	switch {
	case errors.Is(err, access.ErrNoCredentials):
		return who, unauthorized("User credentials are empty or cannot be resolved")
	case errors.Is(err, access.ErrWrongCredentials):
		return who, unauthorized("Error during user authentication")
	case errors.Is(err, access.ErrBusy):
		f := fail(http.StatusServiceUnavailable, "Too many passwords are being checked")
		f.header = http.Header{"Retry-After": {"1"}}
		return who, f
	case err != nil:
		return who, err
	}
	sent, understood := actions(r, m, path)
	if !s.guard.Allowed(r.Context(), who, sent, understood) {
		return who, fail(http.StatusForbidden, "User not authorized.")
	}
	return who, nil
}

func unauthorized(title string) *failure {
	f := fail(http.StatusUnauthorized, "%s", title)
	f.header = http.Header{"Www-Authenticate": {`Basic realm="Cordage"`}}
	return f
}

// actions is what a request does, for permissions: METHOD:PATH?QUERY as it was sent, without one slash at the end of the
// path; and the same with the path's values as the operation will read them.
func actions(r *http.Request, m match, path string) (sent, understood string) {
	query := ""
	if r.URL.RawQuery != "" {
		query = "?" + r.URL.RawQuery
	}
	segments := strings.Split(m.operation.template, "/")
	for i, segment := range segments {
		if isParameter(segment) {
			segments[i] = lenient.PathValue(m.values[strings.Trim(segment, "{}")])
		}
	}
	return r.Method + ":" + strings.TrimSuffix(path, "/") + query, r.Method + ":" + strings.Join(segments, "/") + query
}
