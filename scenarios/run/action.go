package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cordage-sandbox/cordage/scenarios/lang"
)

// act does what a step does, and gives its outcome.
func (r *Runner) act(ctx context.Context, action lang.Action, scope *scope, result *Result) (map[string]any, error) {
	switch a := action.(type) {
	case lang.REST:
		return r.rest(ctx, a, scope.all(), result)
	case lang.Notary:
		return r.notary(ctx, a, scope.all(), result)
	case lang.SQL:
		return r.sql(ctx, a, scope.all(), result)
	case lang.Worker:
		return r.worker(ctx, a, scope.all(), result)
	case lang.Clock:
		return r.clock(ctx, a, scope.all(), result)
	case lang.Package:
		return r.pkg(ctx, a, scope.all(), result)
	case lang.Parallel:
		return nil, r.parallel(ctx, a, scope, result)
	case lang.Each:
		return nil, r.each(ctx, a, scope, result)
	case lang.Check:
		return map[string]any{}, nil
	default:
		return nil, fmt.Errorf("no such action: %s", action.Kind())
	}
}

// evaluator computes values and keeps the first error, so that a call reads as a list of what it needs.
type evaluator struct {
	scope lang.Scope
	err   error
}

func (e *evaluator) text(v lang.Value) string {
	s, err := v.Text(e.scope)
	if e.err == nil {
		e.err = err
	}
	return s
}

func (e *evaluator) optional(v *lang.Value) string {
	if v == nil {
		return ""
	}
	return e.text(*v)
}

func (e *evaluator) texts(values map[string]lang.Value) map[string]string {
	out := map[string]string{}
	for name, v := range values {
		out[name] = e.text(v)
	}
	return out
}

func (e *evaluator) any(v *lang.Value) any {
	if v == nil {
		return nil
	}
	x, err := v.Eval(e.scope)
	if e.err == nil {
		e.err = err
	}
	return x
}

func (r *Runner) rest(ctx context.Context, a lang.REST, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	request := Request{
		Method: a.Method, Path: e.text(a.Path), Query: e.texts(a.Query), Form: e.texts(a.Form),
		JSON: e.any(a.JSON), HasJSON: a.JSON != nil, Raw: e.optional(a.Raw), HasRaw: a.Raw != nil,
		User: e.optional(a.User), Password: e.optional(a.Pass),
	}
	if a.File != nil {
		request.Field, request.File = e.text(a.File.Field), e.text(a.File.Path)
	}
	if e.err != nil {
		return nil, e.err
	}
	result.Request = request.String()
	response, err := r.Cluster.REST(ctx, request)
	if err != nil {
		return nil, err
	}
	headers := map[string]any{}
	for name, value := range response.Headers {
		headers[name] = value
	}
	return map[string]any{"status": int64(response.Status), "headers": headers, "body": response.Body}, nil
}

func (r *Runner) notary(ctx context.Context, a lang.Notary, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	batch := make([]map[string]any, len(a.Requests))
	for i, request := range a.Requests {
		batch[i] = map[string]any{"txId": e.text(request.TxID)}
		for name, v := range map[string]*lang.Value{
			"inputStates": request.Inputs, "referenceStates": request.References, "numOutputStates": request.Outputs,
			"timeWindowLowerBound": request.LowerBound, "timeWindowUpperBound": request.UpperBound,
			"originatorX500Name": request.Originator,
		} {
			if v != nil {
				batch[i][name] = e.any(v)
			}
		}
	}
	node := e.text(a.VirtualNode)
	if e.err != nil {
		return nil, e.err
	}
	result.Request = "uniqueness checks for virtual node " + node + "\n" + pretty(batch)
	results, err := r.Cluster.Notary(ctx, node, batch)
	if err != nil {
		return nil, err
	}
	return map[string]any{"results": results}, nil
}

func (r *Runner) sql(ctx context.Context, a lang.SQL, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	var args []any
	for _, arg := range a.Args {
		args = append(args, e.any(&arg))
	}
	database, query := e.text(a.Database), e.text(a.Query)
	if e.err != nil {
		return nil, e.err
	}
	result.Request = "read from " + database + "\n" + strings.TrimSpace(query)
	if len(args) > 0 {
		result.Request += "\n" + pretty(args)
	}
	rows, err := r.Cluster.SQL(ctx, database, query, args)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", database, err)
	}
	return map[string]any{"rows": rows}, nil
}

func (r *Runner) worker(ctx context.Context, a lang.Worker, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	var err error
	if a.Op == "scale" {
		result.Request = fmt.Sprintf("scale %s to %d", a.Role, a.Replicas)
		err = r.Cluster.Scale(ctx, a.Role, a.Replicas)
	} else {
		node := e.text(a.Node)
		if e.err != nil {
			return nil, e.err
		}
		result.Request = a.Op + " " + node
		err = r.Cluster.Worker(ctx, a.Op, node)
	}
	if err != nil {
		return nil, err
	}
	ready, err := r.Cluster.Ready(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make([]any, len(ready))
	for i, name := range ready {
		nodes[i] = name
	}
	return map[string]any{"nodes": nodes}, nil
}

func (r *Runner) clock(ctx context.Context, a lang.Clock, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	value := ""
	if a.Op != "resume" {
		value = e.text(a.Value)
	}
	if e.err != nil {
		return nil, e.err
	}
	result.Request = strings.TrimSpace("clock " + a.Op + " " + value)
	now, err := r.Cluster.Clock(ctx, a.Op, value)
	if err != nil {
		return nil, err
	}
	return map[string]any{"now": now.UTC().Format("2006-01-02T15:04:05.999Z07:00")}, nil
}

func (r *Runner) pkg(ctx context.Context, a lang.Package, scope lang.Scope, result *Result) (map[string]any, error) {
	e := &evaluator{scope: scope}
	cpi := CPI{
		Name: e.text(a.CPI), Version: e.optional(a.Version), Content: a.Content, GroupID: e.optional(a.GroupID),
		Damage: a.Damage,
	}
	if members, ok := e.any(a.Members).([]any); ok {
		for _, m := range members {
			cpi.Members = append(cpi.Members, fmt.Sprint(m))
		}
	}
	if e.err != nil {
		return nil, e.err
	}
	result.Request = "build a CPI\n" + pretty(cpi)
	return r.Cluster.Package(ctx, r.Dir, cpi)
}

// errInner is the error of a step whose inner steps failed; they tell why.
var errInner = errors.New("a step inside failed")

func (r *Runner) parallel(ctx context.Context, a lang.Parallel, scope *scope, result *Result) error {
	result.Steps = make([]*Result, len(a.Steps))
	var all sync.WaitGroup
	for i, s := range a.Steps {
		all.Go(func() { result.Steps[i] = r.step(ctx, s, scope, result) })
	}
	all.Wait()
	return inner(result.Steps)
}

// maxRounds is how many rounds of a parallel each run at the same time.
const maxRounds = 64

func (r *Runner) each(ctx context.Context, a lang.Each, scope *scope, result *Result) error {
	n := max(0, a.To-a.From+1)
	rounds := make([][]*Result, n)
	round := func(i int) {
		number := a.From + i
		rounds[i] = r.steps(ctx, a.Steps, scope.child(fmt.Sprintf("%s = %d", a.Var, number), map[string]any{a.Var: int64(number)}), result)
	}
	if a.Parallel {
		var all sync.WaitGroup
		places := make(chan struct{}, maxRounds)
		for i := range n {
			all.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				round(i)
			})
		}
		all.Wait()
	} else {
		for i := range n {
			if round(i); inner(rounds[i]) != nil {
				break
			}
		}
	}
	result.Steps = nil
	for _, steps := range rounds {
		result.Steps = append(result.Steps, steps...)
	}
	return inner(result.Steps)
}

func inner(steps []*Result) error {
	for _, s := range steps {
		if s.Status == Failed {
			return errInner
		}
	}
	return nil
}
