package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanClient sends spans by OTLP over HTTP, once: what is not taken is lost, and the worker goes on. The SDK's own client
// brings gRPC with it, a tenth of the executable, of which HTTP uses nothing.
//
// Source: OpenTelemetry protocol 1.x, OTLP/HTTP with binary protobuf.
type spanClient struct {
	endpoint string // host:port
	token    string // sent as a bearer token unless it is empty
	http     *http.Client
}

var _ otlptrace.Client = (*spanClient)(nil)

// sendLimit bounds one upload.
const sendLimit = 5 * time.Second

func newSpanClient(endpoint, token string, via http.RoundTripper) *spanClient {
	if via == nil {
		// No proxy: what collects is on this machine, or named by whoever started the worker.
		via = &http.Transport{MaxIdleConnsPerHost: 1}
	}
	return &spanClient{endpoint, token, &http.Client{Timeout: sendLimit, Transport: via}}
}

// Start has nothing to do: connections are made when there is something to send.
func (c *spanClient) Start(context.Context) error { return nil }

// Stop closes the connection.
func (c *spanClient) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans. TracesData is encoded as the ExportTraceServiceRequest of the protocol is.
func (c *spanClient) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.endpoint+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans to %s: %w", c.endpoint, err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer resp.Body.Close()
	const enough = 1 << 10 // of an answer that has nothing to tell, so that the connection can be used again
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, enough))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send spans to %s: the collector answers %s", c.endpoint, resp.Status)
	}
	return nil
}
