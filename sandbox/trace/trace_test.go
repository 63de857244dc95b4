package trace_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cordage-sandbox/cordage/sandbox/trace"
)

const token = "s3cret"

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func request(t *testing.T, node string, spans ...*otlp.Span) []byte {
	t.Helper()
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: []*otlp.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{{
			Key: "service.instance.id", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: node}},
		}}},
		ScopeSpans: []*otlp.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func span(id, parent byte, name string, after, took time.Duration) *otlp.Span {
	s := &otlp.Span{
		TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{id}, 8), Name: name, Kind: otlp.Span_SPAN_KIND_CONSUMER,
		StartTimeUnixNano: uint64(began.Add(after).UnixNano()), EndTimeUnixNano: uint64(began.Add(after + took).UnixNano()),
	}
	if parent != 0 {
		s.ParentSpanId = bytes.Repeat([]byte{parent}, 8)
	}
	return s
}

func post(h http.Handler, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/x-protobuf")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSpansOfSeveralNodesMakeOneTree(t *testing.T) {
	t.Parallel()
	s := trace.NewStore(trace.Limits{})
	h := trace.Receiver(s, token)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(request(t, "database-1", span(3, 2, "consume", 20*time.Millisecond, 5*time.Millisecond)))
	z.Close()
	if w := post(h, zipped.Bytes(), "Content-Encoding", "gzip"); w.Code != http.StatusOK {
		t.Fatalf("a zipped export: status %d, %s", w.Code, w.Body)
	}
	if w := post(h, request(t, "rest-1", span(1, 0, "POST /virtualnode", 0, 12*time.Millisecond), span(2, 1, "publish", 3*time.Millisecond, time.Millisecond))); w.Code != http.StatusOK {
		t.Fatalf("an export: status %d, %s", w.Code, w.Body)
	}
	id := hex.EncodeToString(bytes.Repeat([]byte{0xab}, 16))
	got, ok := s.Find(id[:6])
	if !ok {
		t.Fatalf("no trace begins with %s", id[:6])
	}
	if got.Name != "POST /virtualnode" || got.Node != "rest-1" || got.Took != 25*time.Millisecond || got.Spans != 3 {
		t.Errorf("summary is %+v", got.Summary)
	}
	if fmt.Sprint(got.Nodes) != "[rest-1 database-1]" {
		t.Errorf("nodes are %v", got.Nodes)
	}
	if len(got.Tree) != 1 || len(got.Tree[0].Next) != 1 || len(got.Tree[0].Next[0].Next) != 1 || got.Tree[0].Next[0].Next[0].Node != "database-1" {
		t.Errorf("the tree is %+v, not a chain of three", got.Tree)
	}
}

// TestSharedWorkIsInEachTrace: what was done for two requests at once is seen in both, and listed in neither's place.
func TestSharedWorkIsInEachTrace(t *testing.T) {
	t.Parallel()
	s := trace.NewStore(trace.Limits{Traces: 3})
	h := trace.Receiver(s, token)
	in := func(trace byte, sp *otlp.Span) *otlp.Span {
		sp.TraceId = bytes.Repeat([]byte{trace}, 16)
		return sp
	}
	batch := in(0xbb, span(3, 0, "process (batch)", 3*time.Millisecond, time.Millisecond))
	for _, of := range []byte{1, 2} {
		batch.Links = append(batch.Links, &otlp.Span_Link{TraceId: bytes.Repeat([]byte{of}, 16), SpanId: bytes.Repeat([]byte{of}, 8)})
	}
	post(h, request(t, "database-1",
		in(1, span(1, 0, "one", 0, 5*time.Millisecond)), in(2, span(2, 0, "two", 0, 5*time.Millisecond)),
		batch, in(0xbb, span(4, 3, "sql", 3*time.Millisecond, time.Millisecond))))
	for _, of := range []byte{1, 2} {
		got, ok := s.Find(hex.EncodeToString(bytes.Repeat([]byte{of}, 16)))
		if !ok || len(got.Tree) != 1 || got.Spans != 3 {
			t.Fatalf("trace %d is %+v", of, got)
		}
		if next := got.Tree[0].Next; len(next) != 1 || next[0].Name != "process (batch)" || len(next[0].Next) != 1 || next[0].Next[0].Name != "sql" {
			t.Errorf("below %q is %+v", got.Tree[0].Name, next)
		}
	}
	if list := s.Recent(0); len(list) != 2 || list[0].Spans != 3 {
		t.Errorf("listed are %+v, want the two requests", list)
	}
	for id := range byte(2) { // and the requests are forgotten
		post(h, request(t, "rest-1", in(0xc0+id, span(9, 0, "later", time.Second, 0))))
	}
	if list := s.Recent(0); len(list) != 3 || list[2].Name != "process (batch)" {
		t.Errorf("listed are %+v, want the shared work too", list)
	}
}

func TestFailureThatWasMended(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		span trace.Span
		want bool
	}{
		"a statement that was repeated": {trace.Span{ID: "b", Parent: "a", Kind: "client", Failed: true}, false},
		"what a node was asked to do":   {trace.Span{ID: "b", Parent: "a", Kind: "consumer", Failed: true}, true},
		"the beginning":                 {trace.Span{ID: "b", Kind: "internal", Failed: true}, true},
	} {
		s := trace.NewStore(trace.Limits{})
		s.Add("t", trace.Span{ID: "a", Kind: "server"})
		s.Add("t", tc.span)
		if got := s.Recent(1)[0].Failed; got != tc.want {
			t.Errorf("%s: the request failed: %v, want %v", name, got, tc.want)
		}
	}
}

func TestReceiverRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body   []byte
		header []string
		want   int
	}{
		"a wrong token":   {request(t, "n"), []string{"Authorization", "Bearer wrong"}, http.StatusUnauthorized},
		"JSON":            {[]byte("{}"), []string{"Content-Type", "application/json"}, http.StatusUnsupportedMediaType},
		"nonsense":        {[]byte("nonsense"), nil, http.StatusBadRequest},
		"too much":        {bytes.Repeat([]byte{0}, 9<<20), nil, http.StatusRequestEntityTooLarge},
		"too much zipped": {bomb(t), []string{"Content-Encoding", "gzip"}, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trace.NewStore(trace.Limits{})
			if w := post(trace.Receiver(s, token), tc.body, tc.header...); w.Code != tc.want {
				t.Errorf("status %d (%s), want %d", w.Code, strings.TrimSpace(w.Body.String()), tc.want)
			}
			if n := len(s.Recent(0)); n != 0 {
				t.Errorf("%d traces were kept", n)
			}
		})
	}
}

func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return b.Bytes()
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	s := trace.NewStore(trace.Limits{Traces: 3, Spans: 10, Each: 4})
	for i := range 20 {
		for j := range 6 {
			s.Add(fmt.Sprintf("trace%02d", i), trace.Span{ID: fmt.Sprint(j), Start: began.Add(time.Duration(i) * time.Second)})
		}
	}
	recent := s.Recent(0)
	if len(recent) != 2 { // 4 spans each, 10 in all
		t.Fatalf("%d traces are kept: %+v", len(recent), recent)
	}
	if recent[0].ID != "trace19" || recent[0].Spans != 4 || recent[1].ID != "trace18" {
		t.Errorf("kept are %+v, not the latest two", recent)
	}
}

func TestRingOfParentsEnds(t *testing.T) {
	t.Parallel()
	s := trace.NewStore(trace.Limits{})
	s.Add("ring", trace.Span{ID: "a", Parent: "b"})
	s.Add("ring", trace.Span{ID: "b", Parent: "a"})
	s.Add("ring", trace.Span{ID: "c", Parent: "elsewhere"})
	got, _ := s.Find("ring")
	if len(got.Tree) != 1 || got.Tree[0].ID != "c" {
		t.Errorf("the tree is %+v", got.Tree)
	}
}

// FuzzReceiver: whatever comes is taken or refused, and what was taken can be listed and read, however its spans are tied.
func FuzzReceiver(f *testing.F) {
	whole, err := proto.Marshal(&otlp.TracesData{ResourceSpans: []*otlp.ResourceSpans{{
		ScopeSpans: []*otlp.ScopeSpans{{Spans: []*otlp.Span{span(1, 0, "a", 0, time.Second), span(2, 1, "b", 0, time.Second)}}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)/2], false)
	f.Add([]byte{0x1f, 0x8b}, true)
	f.Fuzz(func(t *testing.T, body []byte, zipped bool) {
		s := trace.NewStore(trace.Limits{})
		var header []string
		if zipped {
			header = []string{"Content-Encoding", "gzip"}
		}
		if w := post(trace.Receiver(s, token), body, header...); w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("it answers %d", w.Code)
		}
		for _, one := range s.Recent(100) {
			if _, ok := s.Find(one.ID); !ok {
				t.Errorf("trace %s is listed and cannot be found", one.ID)
			}
		}
	})
}
