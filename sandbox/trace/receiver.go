package trace

import (
	"compress/gzip"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Limits of what a client may send.
const (
	maxBody       = 8 << 20 // bytes, after decompression
	maxAttributes = 64      // of a span
	maxLinks      = 64      // of a span
	maxText       = 1024    // bytes of a name or an attribute
)

// Receiver serves POST /v1/traces as [Handler] does, for clients that know the bearer token.
func Receiver(s *Store, token string) http.Handler {
	take := Handler(s)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		take.ServeHTTP(w, r)
	})
	return mux
}

// Handler takes spans, OTLP over HTTP in protobuf, from whoever can reach it.
//
// Source: OpenTelemetry protocol specification 1.x, OTLP/HTTP.
func Handler(s *Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-protobuf" {
			http.Error(w, "only application/x-protobuf is taken", http.StatusUnsupportedMediaType)
			return
		}
		request, err := read(w, r)
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			http.Error(w, fmt.Sprintf("at most %d bytes are taken", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		keep(s, request)
		w.Header().Set("Content-Type", "application/x-protobuf") // of an ExportTraceServiceResponse without content: no bytes
	})
}

func read(w http.ResponseWriter, r *http.Request) (*otlp.TracesData, error) {
	body := http.MaxBytesReader(w, r.Body, maxBody)
	var from io.Reader = body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("read spans: %w", err)
		}
		defer z.Close()
		from = http.MaxBytesReader(w, z, maxBody)
	}
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, fmt.Errorf("read spans: %w", err)
	}
	var request otlp.TracesData // as an ExportTraceServiceRequest is encoded, whose package would bring gRPC with it
	if err := proto.Unmarshal(text, &request); err != nil {
		return nil, fmt.Errorf("read spans: %w", err)
	}
	return &request, nil
}

// keep puts the request's spans into the store. Spans with ill-formed ids are dropped.
func keep(s *Store, request *otlp.TracesData) {
	for _, resource := range request.GetResourceSpans() {
		node := nodeOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				if len(span.GetTraceId()) != 16 || len(span.GetSpanId()) != 8 {
					continue
				}
				s.Add(hex.EncodeToString(span.GetTraceId()), convert(node, span))
			}
		}
	}
}

// nodeOf is the node that a resource names.
func nodeOf(attributes []*common.KeyValue) string {
	byKey := map[string]string{}
	for _, a := range attributes {
		byKey[a.GetKey()] = text(a.GetValue())
	}
	for _, key := range []string{"service.instance.id", "service.name"} {
		if v := byKey[key]; v != "" {
			return cut(v)
		}
	}
	return "unknown"
}

func convert(node string, span *otlp.Span) Span {
	//nolint:gosec // times of a clock; nonsense gives nonsense and no harm
	start, end := int64(span.GetStartTimeUnixNano()), int64(span.GetEndTimeUnixNano())
	out := Span{
		ID: hex.EncodeToString(span.GetSpanId()), Node: node, Name: cut(span.GetName()), Kind: kind(span.GetKind()),
		Start: time.Unix(0, start).UTC(), Took: max(0, time.Duration(end-start)),
		Failed: span.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR, Message: cut(span.GetStatus().GetMessage()),
	}
	if len(span.GetParentSpanId()) == 8 {
		out.Parent = hex.EncodeToString(span.GetParentSpanId())
	}
	for i, l := range span.GetLinks() {
		if i == maxLinks {
			break
		}
		if len(l.GetTraceId()) == 16 && len(l.GetSpanId()) == 8 {
			out.links = append(out.links, link{hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId())})
		}
	}
	for i, a := range span.GetAttributes() {
		if i == maxAttributes {
			break
		}
		if out.Attributes == nil {
			out.Attributes = map[string]string{}
		}
		out.Attributes[cut(a.GetKey())] = text(a.GetValue())
	}
	return out
}

func kind(k otlp.Span_SpanKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "SPAN_KIND_"))
}

func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return cut(v.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case nil:
		return ""
	default:
		return cut(fmt.Sprint(v))
	}
}

func cut(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
