package database_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/record"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// limit of waiting for one result, on a busy machine.
const limit = 90 * time.Second

// client speaks to a cluster over the bus as REST and flow workers do.
type client struct {
	*cluster.Cluster
	bus          *bus.Bus
	publisher    *bus.Publisher
	operations   *bus.Compacted[record.VirtualNodeOperationStatus]
	uploads      *bus.Compacted[record.UploadStatus]
	nodes        *bus.Compacted[record.VirtualNodeInfo]
	cpis         *bus.Compacted[record.CPIMetadata]
	certificates *bus.Caller[record.CertificateRequest, record.CertificateResponse]
	config       *bus.Caller[record.ConfigurationManagementRequest, record.ConfigurationManagementResponse]
}

func newClient(t testing.TB, c *cluster.Cluster) *client {
	t.Helper()
	b := c.Bus(t)
	publisher, err := b.NewPublisher(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = publisher.Close() })
	k := &client{
		Cluster: c, bus: b, publisher: publisher,
		operations:   bus.NewCompacted[record.VirtualNodeOperationStatus](b, record.TopicVirtualNodeStatus),
		uploads:      bus.NewCompacted[record.UploadStatus](b, record.TopicCPIUploadStatus),
		nodes:        bus.NewCompacted[record.VirtualNodeInfo](b, record.TopicVirtualNodeInfo),
		cpis:         bus.NewCompacted[record.CPIMetadata](b, record.TopicCPIInfo),
		certificates: bus.NewCaller[record.CertificateRequest, record.CertificateResponse](b, record.TopicCertificates, "test", bus.CallerOptions{Timeout: limit}),
		config: bus.NewCaller[record.ConfigurationManagementRequest, record.ConfigurationManagementResponse](
			b, record.TopicConfigManagement, "test", bus.CallerOptions{Timeout: limit}),
	}
	run(t, k.operations.Run, k.uploads.Run, k.nodes.Run, k.cpis.Run, k.certificates.Run, k.config.Run)
	return k
}

// run runs parts of the bus until the test ends, and returns when all are ready.
func run(t testing.TB, parts ...func(context.Context, func()) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}, len(parts)), make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part(ctx, func() { ready <- struct{}{} }) }()
	}
	t.Cleanup(func() {
		cancel()
		for range parts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	for range parts {
		select {
		case <-ready:
		case <-time.After(limit):
			t.Fatal("a subscription is not ready")
		}
	}
}

func (k *client) publish(t testing.TB, messages ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := k.publisher.Publish(ctx, messages...); err != nil {
		t.Fatal(err)
	}
}

// trust imports code-signing certificates.
func (k *client) trust(t testing.TB, alias string, pem []byte) {
	t.Helper()
	answer, err := k.certificates.Call(t.Context(), record.CertificateRequest{
		Usage: "code-signer", Import: &record.CertificateImport{Alias: alias, PEM: string(pem)}})
	if err != nil || answer.Failure != nil {
		t.Fatalf("import certificates: %v, %v", err, answer.Failure)
	}
}

// chunks cuts a file as a REST worker does.
func chunks(request, name string, file []byte, size int) []bus.Message {
	var out []bus.Message
	part := 0
	for offset := 0; offset < len(file); offset += size {
		out = append(out, chunk(record.FileChunk{RequestID: request, PartNumber: part, Offset: int64(offset),
			Data:       file[offset:min(offset+size, len(file))],
			Properties: map[string]string{record.PropertyFileName: name, record.PropertyActor: cluster.AdminLogin}}))
		part++
	}
	sum := sha256.Sum256(file)
	return append(out, chunk(record.FileChunk{RequestID: request, Checksum: packaging.Checksum(sum[:]), PartNumber: part, Offset: int64(len(file)),
		Properties: map[string]string{record.PropertyFileName: name, record.PropertyActor: cluster.AdminLogin}}))
}

func chunk(c record.FileChunk) bus.Message {
	return bus.Message{Topic: record.TopicCPIUpload, Key: c.RequestID, Value: c}
}

// upload sends a file and gives its final status.
func (k *client) upload(t testing.TB, file []byte) record.UploadStatus {
	t.Helper()
	request := uuid.NewString()
	for _, m := range chunks(request, "test.cpi", file, 100_000) {
		k.publish(t, m)
	}
	return k.uploaded(t, request)
}

// uploaded awaits the final status of an upload: that with the highest sequence number.
func (k *client) uploaded(t testing.TB, request string) (last record.UploadStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := k.uploads.Await(ctx, func(all map[string]record.UploadStatus) bool {
		last = record.UploadStatus{Key: record.UploadStatusKey{SequenceNumber: -1}}
		for _, s := range all {
			if s.Key.RequestID == request && s.Key.SequenceNumber > last.Key.SequenceNumber {
				last = s
			}
		}
		return last.Complete || last.Failure != nil
	})
	if err != nil {
		t.Fatalf("upload %s has no final status, the last is %+v: %v", request, last, err)
	}
	return last
}

// stored builds, trusts and uploads a CPI of a group of its own.
func (k *client) stored(t testing.TB) *cpi.Package {
	t.Helper()
	p, err := cpi.Spec{GroupID: uuid.NewString(), Name: "test-" + uuid.NewString()}.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.trust(t, "signer", p.Certificates)
	if s := k.upload(t, p.Bytes); !s.Complete || s.Checksum != p.Checksum {
		t.Fatalf("upload ended with %+v, want OK and checksum %s", s, p.Checksum)
	}
	return p
}

func short(checksum string) string { return packaging.ShortChecksum(checksum) }

// node is the identity of the nth test node of a group.
func node(t testing.TB, group string, n int) ident.HoldingIdentity {
	t.Helper()
	name, err := ident.ParseName(fmt.Sprintf("CN=Node %d, O=Test, L=Leeds, C=GB", n))
	if err != nil {
		t.Fatal(err)
	}
	return ident.NewHoldingIdentity(name, group)
}

// creation is the request that a REST worker makes.
func creation(identity ident.HoldingIdentity, checksum string) record.VirtualNodeRequest {
	return record.VirtualNodeRequest{
		RequestID: string(identity.ShortHash()), Timestamp: time.Now().UTC(),
		Create: record.VirtualNodeCreateRequest{HoldingIdentity: identity, CPIFileChecksum: short(checksum), UpdateActor: cluster.AdminLogin},
	}
}

func request(q record.VirtualNodeRequest) bus.Message {
	return bus.Message{Topic: record.TopicVirtualNodeAsyncRequest, Key: q.RequestID, Value: q}
}

// ended awaits the final status of requests.
func (k *client) ended(t testing.TB, requests ...record.VirtualNodeRequest) map[string]record.VirtualNodeOperationStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out := map[string]record.VirtualNodeOperationStatus{}
	for _, q := range requests {
		var last record.VirtualNodeOperationStatus
		err := k.operations.AwaitKey(ctx, q.RequestID, func(s record.VirtualNodeOperationStatus, ok bool) bool {
			last = s
			return ok && s.State != record.OperationAccepted && s.State != record.OperationInProgress && s.Timestamp.Equal(q.Timestamp)
		})
		if err != nil {
			t.Fatalf("virtual node %s has no final status, the last is %+v: %v", q.RequestID, last, err)
		}
		out[q.RequestID] = last
	}
	return out
}

// created creates nodes, and fails the test unless all are completed.
func (k *client) created(t testing.TB, requests ...record.VirtualNodeRequest) {
	t.Helper()
	messages := make([]bus.Message, len(requests))
	for i, q := range requests {
		messages[i] = request(q)
	}
	k.publish(t, messages...)
	for id, s := range k.ended(t, requests...) {
		if s.State != record.OperationCompleted {
			t.Errorf("virtual node %s ended as %s: %s", id, s.State, reason(s))
		}
	}
}

func reason(s record.VirtualNodeOperationStatus) string {
	if s.FailureReason == nil {
		return ""
	}
	return *s.FailureReason
}

// contains fails the test unless the text has all parts.
func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s is %q, want %q in it", what, text, part)
		}
	}
}

// setClock freezes the sandbox's clock.
func (k *client) setClock(t testing.TB, at time.Time) {
	t.Helper()
	setting := clock.Setting{Version: time.Now().UnixNano()}.Freeze(at)
	k.publish(t, bus.Message{Topic: record.TopicClock, Key: record.ClockKey, Value: record.Clock{Setting: setting, Timestamp: time.Now().UTC()}})
}
