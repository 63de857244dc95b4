package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/telemetry/telemetrytest"
	"github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

// TestBatchIsOneTrace from the question over the topic, the checker's host and back to the last answer.
func TestBatchIsOneTrace(t *testing.T) {
	t.Parallel()
	tel, recorder := telemetrytest.Record(t)
	c := newCluster(t, 3, client.Options{Telemetry: tel})
	c.host("database-1", 0, newNode(t))
	issue := tx(nil, nil)
	c.check(issue, tx([]string{issue.TxID + ":0"}, nil), tx([]string{issue.TxID + ":0"}, nil))

	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range recorder.Started() { // that of the host may end later than the question
		if s.SpanContext().TraceID() == root(t, recorder.Ended()).SpanContext().TraceID() {
			spans[s.Name()] = s
		}
	}
	for child, parent := range map[string]string{
		"publish uniqueness.check": "uniqueness check", "process uniqueness.check": "publish uniqueness.check",
		"receive flow.event": "process uniqueness.check",
	} {
		switch {
		case spans[child] == nil || spans[parent] == nil:
			t.Errorf("the trace has no %q below a %q: %v", child, parent, spans)
		case spans[child].Parent().SpanID() != spans[parent].SpanContext().SpanID():
			t.Errorf("%q is not below %q", child, parent)
		}
	}
	got := attributes(spans["uniqueness check"])
	want := map[attribute.Key]any{
		"cordage.virtual_node": string(notary.ShortHash()), "cordage.requests": int64(3),
		"cordage.results.success": int64(2), "cordage.results.inputStateConflict": int64(1),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes of the batch (-want +got):\n%s", diff)
	}
	if got := attributes(spans["receive flow.event"])["messaging.batch.message_count"]; got != int64(3) {
		t.Errorf("%v answers were received, want 3", got)
	}
}

// TestUndecidedBatchFailsItsTrace whether it was answered with exceptions or not at all.
func TestUndecidedBatchFailsItsTrace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options client.Options
		answer  func(record.UniquenessCheckRequest) *record.ExternalEventResponse
		want    string
	}{
		"exception": {client.Options{}, func(q record.UniquenessCheckRequest) *record.ExternalEventResponse {
			return failure(q, "DatabaseError", "no")
		}, "1 of 1 requests could not be decided"},
		"no answer": {client.Options{Timeout: time.Second}, func(record.UniquenessCheckRequest) *record.ExternalEventResponse {
			return nil
		}, "check uniqueness for " + string(notary.ShortHash()) + ": 0 of 1 requests were answered within 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, recorder := telemetrytest.Record(t)
			tc.options.Telemetry = tel
			c := newCluster(t, 1, tc.options)
			c.answerer("database-1", 0, func(_ context.Context, batch []record.UniquenessCheckRequest) (out []*record.ExternalEventResponse, err error) {
				for _, q := range batch {
					out = append(out, tc.answer(q))
				}
				return out, nil
			})
			_, err := c.client.Check(c.ctx, notary, []record.UniquenessCheckRequest{tx(nil, nil)})
			if _, late := errors.AsType[*client.TimeoutError](err); err != nil && !late {
				t.Fatal(err)
			}
			if got := root(t, recorder.Ended()).Status(); got.Code != codes.Error || got.Description != tc.want {
				t.Errorf("the batch ended with %v, want the error %q", got, tc.want)
			}
		})
	}
}

// root is the span of the one batch that was asked.
func root(t *testing.T, spans []sdktrace.ReadOnlySpan) sdktrace.ReadOnlySpan {
	t.Helper()
	for _, s := range spans {
		if s.Name() == "uniqueness check" {
			return s
		}
	}
	t.Fatalf("none of %d spans is that of a batch", len(spans))
	return nil
}

func attributes(s sdktrace.ReadOnlySpan) map[attribute.Key]any {
	all := map[attribute.Key]any{}
	if s != nil {
		for _, a := range s.Attributes() {
			all[a.Key] = a.Value.AsInterface()
		}
	}
	return all
}
