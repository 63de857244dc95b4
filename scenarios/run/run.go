// Package run runs scenarios against a sandbox: steps in order, each with its expectations, into a tree of results. What
// it needs of a sandbox it declares as [Cluster]; package attach gives one over the supervisor's API.
package run

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// Cluster is what scenarios do to a sandbox.
type Cluster interface {
	// Follow begins the trace of a step that calls REST or asks the notary; what it does with the context given is part of
	// it. The step's error goes to the function given, which ends it.
	Follow(ctx context.Context, scenario, step string) (context.Context, func(error))
	// REST calls the cluster's REST API.
	REST(ctx context.Context, r Request) (Response, error)
	// Notary asks the uniqueness checker with one batch; the answers are in the order of the requests.
	Notary(ctx context.Context, virtualNode string, batch []map[string]any) ([]any, error)
	// SQL reads from a logical database, in a read-only transaction.
	SQL(ctx context.Context, database, query string, args []any) ([]any, error)
	// Worker does op (kill, restart) to a node and waits until all nodes are ready again.
	Worker(ctx context.Context, op, node string) error
	// Scale sets a worker type's number of replicas and waits until all nodes are ready.
	Scale(ctx context.Context, role string, replicas int) error
	// Ready lists the nodes that are ready.
	Ready(ctx context.Context) ([]string, error)
	// Brokers is the number of its Kafka brokers.
	Brokers() int
	// Clock does op (freeze, set, advance, resume) to the sandbox's clock, and gives its time when every worker has it.
	Clock(ctx context.Context, op, value string) (time.Time, error)
	// Package builds a CPI in dir.
	Package(ctx context.Context, dir string, p CPI) (map[string]any, error)
}

// Request is a REST request; at most one of JSON, Raw and File is set.
type Request struct {
	Method, Path   string
	Query, Form    map[string]string
	JSON           any
	HasJSON        bool
	Raw            string
	HasRaw         bool
	Field, File    string // multipart file part: its name, and the path of the file
	User, Password string // empty: the administrator
}

// Response is its answer; Body is parsed where it is JSON, else text.
type Response struct {
	Status  int
	Headers map[string]string
	Body    any
}

// CPI is a CPI to build.
type CPI struct {
	Name, Version, Content, GroupID, Damage string
	Members                                 []string
}

// Status of a result.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped" // a step before it failed
)

// Result of a scenario or of one of its steps.
type Result struct {
	Name     string        `json:"name"`
	Place    string        `json:"place"` // file:line:column
	Status   Status        `json:"status"`
	Error    string        `json:"error,omitempty"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"durationNs"`
	Steps    []*Result     `json:"steps,omitempty"`

	// Request is what the last attempt of a step that failed asked for; Want and Got are what was expected of the answer and
	// what came, where that is what failed. All are for people: JSON where they are values, shortened where they are long.
	Request string `json:"request,omitempty"`
	Want    string `json:"want,omitempty"`
	Got     string `json:"got,omitempty"`

	Trace string `json:"trace,omitempty"` // id of the trace of a step that calls REST or asks the notary: its attempts are in it

	Parent *Result `json:"-"` // the step that this one is part of; nil for the steps of a scenario
}

// Runner runs scenarios.
type Runner struct {
	Cluster Cluster
	Dir     string // for files that steps make; the caller removes it
	// Watch is called when a step begins (Status empty) and ends, but not for one that is skipped; it may be nil, and is not
	// called concurrently. Between the two calls the result belongs to the runner.
	Watch func(r *Result)
	Now   func() time.Time

	watching sync.Mutex
}

// BrokersError says that a sandbox lacks the Kafka brokers that a scenario needs.
type BrokersError struct{ Want, Has int }

func (e *BrokersError) Error() string {
	return fmt.Sprintf("the scenario needs a sandbox of %d Kafka brokers, this one has %d; "+
		"cordage scenario run gives it one of its own, and cordage up --brokers %[1]d makes one to keep", e.Want, e.Has)
}

// Run runs one scenario. The result tells what failed; an error is returned only when ctx ended.
func (r *Runner) Run(ctx context.Context, s *lang.Scenario) (*Result, error) {
	result := &Result{Name: s.Name, Place: s.File, Started: r.Now()}
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("the scenario's timeout of %v is over", s.Timeout))
	defer cancel()

	scope := newScope(s.Name, lang.Scope{"run": newRunID()})
	err := func() error {
		if s.Brokers != 0 && s.Brokers != r.Cluster.Brokers() {
			return &BrokersError{Want: s.Brokers, Has: r.Cluster.Brokers()}
		}
		for _, v := range s.Vars {
			x, err := v.Value.Eval(scope.all())
			if err != nil {
				return err
			}
			scope.set(v.Name, x)
		}
		return nil
	}()
	if err == nil {
		result.Steps = r.steps(ctx, s.Steps, scope, nil)
	}
	result.finish(r.Now(), err)
	return result, outer.Err()
}

// finish sets the result's status from its error and its steps.
func (r *Result) finish(now time.Time, err error) {
	r.Duration, r.Status = now.Sub(r.Started), Passed
	if err != nil {
		r.Status, r.Error = Failed, err.Error()
	}
	for _, s := range r.Steps {
		if s.Status == Failed {
			r.Status = Failed
		}
	}
}

// explain keeps what was expected and what came of a step that failed; of others what they asked for is of no interest.
func (r *Result) explain(err error) {
	if err == nil {
		r.Request = ""
		return
	}
	if e, ok := errors.AsType[*ExpectationError](err); ok {
		r.Want, r.Got = e.Want, e.Got
	}
}

// steps runs steps one after the other; those after a failed one are skipped.
func (r *Runner) steps(ctx context.Context, steps []lang.Step, scope *scope, parent *Result) []*Result {
	var results []*Result
	failed := false
	for _, s := range steps {
		if failed {
			results = append(results, &Result{Name: s.Name, Place: s.Pos.String(), Status: Skipped, Started: r.Now(), Parent: parent})
			continue
		}
		result := r.step(ctx, s, scope, parent)
		results = append(results, result)
		failed = result.Status == Failed
	}
	return results
}

func (r *Runner) step(ctx context.Context, s lang.Step, scope *scope, parent *Result) *Result {
	result := &Result{Name: r.title(s, scope), Place: s.Pos.String(), Started: r.Now(), Parent: parent}
	r.watch(result)
	ctx, end := r.follow(ctx, s.Action, scope, result)
	err := r.attempts(ctx, s, scope, result)
	end(err)
	result.explain(err)
	result.finish(r.Now(), err)
	r.watch(result)
	return result
}

// follow begins the trace of a step that goes through the cluster.
func (r *Runner) follow(ctx context.Context, action lang.Action, scope *scope, result *Result) (context.Context, func(error)) {
	switch action.(type) {
	case lang.REST, lang.Notary:
		ctx, end := r.Cluster.Follow(ctx, scope.scenario, result.Name)
		if id := trace.SpanContextFromContext(ctx).TraceID(); id.IsValid() {
			result.Trace = id.String()
		}
		return ctx, end
	}
	return ctx, func(error) {}
}

// title fills a step's name: in the rounds of an each it may name the round.
func (r *Runner) title(s lang.Step, scope *scope) string {
	if round := scope.round(); round != "" {
		return s.Name + " (" + round + ")"
	}
	return s.Name
}

func (r *Runner) watch(result *Result) {
	if r.Watch == nil {
		return
	}
	r.watching.Lock()
	defer r.watching.Unlock()
	r.Watch(result)
}

// pause between two attempts of a step.
const pause = 25 * time.Millisecond

// attempts does the step once or, with Within, until its expectations hold.
func (r *Runner) attempts(ctx context.Context, s lang.Step, scope *scope, result *Result) error {
	deadline := r.Now().Add(s.Within)
	for {
		err := r.attempt(ctx, s, scope, result)
		if err == nil {
			return nil
		}
		var expectation *ExpectationError
		if s.Within == 0 || !errors.As(err, &expectation) {
			return err
		}
		if !r.Now().Before(deadline) {
			return fmt.Errorf("not so within %v: %w", s.Within, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

func (r *Runner) attempt(ctx context.Context, s lang.Step, scope *scope, result *Result) error {
	result.Request = ""
	outcome, err := r.act(ctx, s.Action, scope, result)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return errors.Join(cause, err)
		}
		return err
	}
	view := scope.all()
	view["it"] = outcome
	if err := check(s.Expect, outcome, view); err != nil {
		return err
	}
	for _, save := range s.Save {
		x, err := save.Expr.Eval(view)
		if err != nil {
			return err
		}
		scope.set(save.Name, x)
	}
	return nil
}

func newRunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// scope is the variables of a run; parallel steps share it.
type scope struct {
	scenario string // its name

	mu     sync.Mutex
	parent *scope
	vars   lang.Scope
	label  string
}

func newScope(scenario string, vars lang.Scope) *scope { return &scope{scenario: scenario, vars: vars} }

// child sees its parent's variables; what it sets stays its own.
func (s *scope) child(label string, vars lang.Scope) *scope {
	return &scope{scenario: s.scenario, parent: s, vars: vars, label: label}
}

func (s *scope) set(name string, x any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vars[name] = x
}

func (s *scope) all() lang.Scope {
	out := lang.Scope{}
	if s.parent != nil {
		out = s.parent.all()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(out, s.vars)
	return out
}

func (s *scope) round() string { return s.label }
