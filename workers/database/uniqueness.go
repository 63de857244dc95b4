package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
	"github.com/cordage-sandbox/cordage/workers/uniqueness"
)

// uniquenessHost works on uniqueness.check: each batch of a partition goes to the checker, and the verdicts to flow.event,
// under the flow's id, in one transaction with the position. A batch that comes again gets the verdicts that are stored.
type uniquenessHost struct {
	checker *uniqueness.Checker
	stores  *nodeStores
	clock   *clock.Clock
	log     *slog.Logger

	stopping <-chan struct{} // closed when the worker is told to stop
}

// databaseWait is how long requests wait for a database that is away before they are answered with an exception. A flow
// asks again after 60 s.
const (
	databaseWait  = 20 * time.Second
	databaseAgain = 200 * time.Millisecond // between two attempts
)

// handle decides one batch.
func (u *uniquenessHost) handle(ctx context.Context, batch []bus.Record) ([]bus.Message, error) {
	var out []bus.Message
	asked := make([]asked, 0, len(batch))
	for _, r := range batch {
		q, err := bus.Decode[record.UniquenessCheckRequest](r)
		if err != nil {
			u.log.ErrorContext(ctx, "a uniqueness check cannot be read", "key", r.Key, "error", err)
			out = append(out, bus.DeadLetter(r, err))
			continue
		}
		asked = append(asked, newAsked(r, q))
	}
	if err := u.decide(ctx, asked); err != nil {
		return nil, err
	}
	for i := range asked {
		answer, err := asked[i].answer(u.clock.Now())
		if err != nil {
			return nil, err
		}
		out = append(out, answer.Continue(asked[i].record.Context(ctx)))
	}
	return out, nil
}

// asked is one request of a batch with its result.
type asked struct {
	record  bus.Record
	request record.UniquenessCheckRequest
	result  uniqueness.Result
}

func newAsked(r bus.Record, q record.UniquenessCheckRequest) asked {
	return asked{record: r, request: q}
}

// decide sets the results. Requests whose database is away are asked again for a while; those of nodes that do not exist
// never reach the checker, so that nobody can fill its metrics with them.
func (u *uniquenessHost) decide(ctx context.Context, all []asked) error {
	deadline := time.Now().Add(databaseWait)
	open := make([]int, len(all))
	for i := range all {
		open[i] = i
	}
	for len(open) > 0 {
		var known []int
		why := map[ident.HoldingIdentity]error{}
		for _, i := range open {
			holder := all[i].request.HoldingIdentity
			err, asked := why[holder]
			if !asked {
				err = u.stores.check(ctx, holder)
				why[holder] = err
			}
			if err != nil {
				all[i].result = exception(err)
				continue
			}
			known = append(known, i)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		requests := make([]uniqueness.Request, len(known))
		for n, i := range known {
			requests[n] = all[i].check()
		}
		results, err := u.checker.Check(ctx, requests)
		if err != nil {
			return err
		}
		for n, i := range known {
			all[i].result = results[n]
		}
		open = again(all, open)
		if len(open) == 0 || !time.Now().Before(deadline) {
			return nil
		}
		select {
		case <-u.stopping:
			return fmt.Errorf("decide %d uniqueness checks: their database is away and the worker stops", len(open))
		default:
		}
		u.log.WarnContext(ctx, "waiting for the database of uniqueness checks", "requests", len(open))
		if !pause(ctx, databaseAgain) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// databaseAway is the error type of results that another attempt may change.
const databaseAway = "DatabaseUnavailable"

func again(all []asked, open []int) []int {
	var left []int
	for _, i := range open {
		if r := all[i].result; r.Kind == uniqueness.UnhandledException && r.ErrorType == databaseAway {
			left = append(left, i)
		}
	}
	return left
}

func exception(err error) uniqueness.Result {
	kind := "DatabaseConfiguration"
	if store.IsTransient(err) {
		kind = databaseAway
	}
	return uniqueness.Result{Verdict: uniqueness.Verdict{Kind: uniqueness.UnhandledException, ErrorType: kind, Text: err.Error()}}
}

func (a *asked) check() uniqueness.Request {
	q := a.request
	return uniqueness.Request{Holder: q.HoldingIdentity, TxID: q.TxID, Originator: q.Originator, Inputs: q.Inputs,
		References: q.References, Outputs: q.Outputs, Lower: q.LowerBound, Upper: q.UpperBound}
}

// answer is the message to the flow. An exception is an error of the platform; everything else is a payload.
func (a *asked) answer(now time.Time) (bus.Message, error) {
	event := record.ExternalEventResponse{RequestID: a.request.Context.RequestID, Timestamp: now}
	if a.result.Kind == uniqueness.UnhandledException {
		event.Error = &record.ExternalEventError{Kind: "PLATFORM", Failure: record.Failure{Type: a.result.ErrorType, Message: a.result.Text}}
	} else {
		response := a.response()
		payload, err := json.Marshal(response)
		if err != nil {
			return bus.Message{}, fmt.Errorf("encode the verdict on %s: %w", a.request.TxID, err)
		}
		event.Payload, event.Type = payload, record.TypeOf(response)
	}
	return bus.Message{Topic: record.TopicFlowEvent, Key: a.request.Context.FlowID, Value: event}, nil
}

// response is the verdict as it is sent: states in their canonical text.
func (a *asked) response() record.UniquenessCheckResponse {
	v := a.result.Verdict
	r := record.UniquenessCheckResponse{TxID: a.request.TxID, Result: record.UniquenessResult(v.Kind), Earlier: a.result.Earlier}
	if !v.At.IsZero() {
		r.CommitTimestamp = &v.At
	}
	states := make([]string, len(v.States))
	for i, s := range v.States {
		states[i] = s.Ref.String()
	}
	switch v.Kind {
	case uniqueness.InputUnknown, uniqueness.ReferenceUnknown:
		r.UnknownStates = states
	case uniqueness.InputConflict, uniqueness.ReferenceConflict:
		r.ConflictingStates = states
		for _, s := range v.States {
			if !s.Consumer.IsZero() {
				r.ConsumingTx = append(r.ConsumingTx, record.ConsumedState{State: s.Ref.String(), ConsumingTx: s.Consumer.String()})
			}
		}
	case uniqueness.OutOfTimeWindow:
		r.EvaluationTimestamp, r.LowerBound, r.UpperBound = &v.Evaluated, v.Lower, &v.Upper
	case uniqueness.Malformed:
		r.ErrorText = v.Text
	case uniqueness.Success, uniqueness.UnhandledException:
	}
	return r
}

// nodeStores finds the uniqueness databases of virtual nodes: by virtual.node.info, or, for a node that was made a
// moment ago by another worker, by the config database.
type nodeStores struct {
	nodes     *bus.Compacted[record.VirtualNodeInfo]
	config    *pgxpool.Pool
	databases *store.Connections
}

// noNodeError tells that there is no virtual node of an identity, or that it has no uniqueness database.
type noNodeError struct{ holder ident.HoldingIdentity }

func (e *noNodeError) Error() string {
	return fmt.Sprintf("there is no virtual node with a uniqueness database for %.200q in group %.100q", e.holder.X500Name, e.holder.GroupID)
}

// connection is the id of the node's connection.
func (n *nodeStores) connection(ctx context.Context, holder ident.HoldingIdentity) (string, error) {
	node, ok := n.nodes.Get(record.Key(holder))
	if !ok {
		var err error
		node, err = nodeInfo(ctx, n.config, holder.ShortHash())
		if errors.Is(err, pgx.ErrNoRows) || err == nil && node.HoldingIdentity != holder {
			return "", &noNodeError{holder}
		}
		if err != nil {
			return "", err
		}
	}
	if node.UniquenessDML == "" {
		return "", &noNodeError{holder}
	}
	return node.UniquenessDML, nil
}

// check tells why the node's requests cannot be decided.
func (n *nodeStores) check(ctx context.Context, holder ident.HoldingIdentity) error {
	_, err := n.connection(ctx, holder)
	return err
}

// Uniqueness gives the pool of the node's uniqueness database.
func (n *nodeStores) Uniqueness(ctx context.Context, holder ident.HoldingIdentity) (uniqueness.DB, error) {
	id, err := n.connection(ctx, holder)
	if err != nil {
		return nil, err
	}
	return n.databases.ByID(ctx, id)
}
