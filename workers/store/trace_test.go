package store_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	pool := open(t, superuser(t))
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
	if _, err := pool.Exec(ctx, "SELECT $1::text", "a secret value"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "SELEC"); err == nil {
		t.Fatal("an invalid statement is accepted")
	}
	b := &pgx.Batch{}
	b.Queue("SELECT 1")
	b.Queue("SELECT 2")
	if err := pool.SendBatch(ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT 'no span in the context'"); err != nil {
		t.Fatal(err)
	}
	parent.End()

	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
		if s.Name() == "request" {
			continue
		}
		if s.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("span %q has another parent", s.Name())
		}
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("span %q holds a parameter: %v", s.Name(), a)
			}
		}
		if failed := s.Status().Code == codes.Error; failed != (s.Name() == "postgresql SELEC") {
			t.Errorf("span %q: failed is %v", s.Name(), failed)
		}
	}
	if got := strings.Join(names, ", "); got != "postgresql SELECT, postgresql SELEC, postgresql BATCH, request" {
		t.Errorf("spans are %s", got)
	}
}
