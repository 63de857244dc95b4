package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
)

const (
	groupID     = "7c5d6948-e17b-44e7-9d1c-fa4a3f667cad"
	cpiChecksum = "1A2B3C4D5E6F"
	cpiHash     = "SHA-256:" + cpiChecksum + "0000000000000000000000000000000000000000000000000000"
)

var published = time.Date(2023, 6, 1, 12, 0, 0, 120_000_000, time.UTC) //nolint:gochecknoglobals // a constant

func sampleCPI(group string) record.CPIMetadata {
	return record.CPIMetadata{
		ID: record.CPIIdentifier{Name: "demo", Version: "1.0", SignerSummaryHash: "SHA-256:9F"}, Hash: cpiHash,
		CPKs: []record.CPKMetadata{{
			ID: record.CPKIdentifier{Name: "com.example.demo", Version: "1.0", SignerSummaryHash: "SHA-256:77"}, MainBundle: "demo-1.0.jar",
			Type: "UNKNOWN", Hash: "SHA-256:41", Timestamp: published,
		}},
		GroupPolicy: `{"fileFormatVersion":1}`, GroupID: group, Timestamp: published.Truncate(time.Second),
	}
}

func (p *peer) addCPI(t *testing.T, c record.CPIMetadata) {
	t.Helper()
	p.publish(t, bus.Message{Topic: record.TopicCPIInfo, Key: record.Key(c.ID), Value: c})
}

// requests gives what arrives on virtual.node.async.request.
func (p *peer) requests(t *testing.T) <-chan record.VirtualNodeRequest {
	t.Helper()
	out := make(chan record.VirtualNodeRequest, 100)
	p.consume(t, record.TopicVirtualNodeAsyncRequest, func(r bus.Record) {
		q, err := bus.Decode[record.VirtualNodeRequest](r)
		if err != nil {
			t.Errorf("request: %v", err)
		}
		if r.Key != q.RequestID {
			t.Errorf("request %s has the key %s", q.RequestID, r.Key)
		}
		out <- q
	})
	return out
}

func (p *peer) consume(t *testing.T, topic string, each func(bus.Record)) {
	t.Helper()
	d := p.bus.Durable(bus.DurableConfig{Group: "peer", Topic: topic}, func(_ context.Context, batch []bus.Record) ([]bus.Message, error) {
		for _, r := range batch {
			each(r)
		}
		return nil, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, func() {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("read %s: %v", topic, err)
		}
	})
}

func create(name string) call {
	return call{method: "POST", path: "/api/v1/virtualnode", body: fmt.Sprintf(`{"x500Name":%q,"cpiFileChecksum":%q}`, name, cpiChecksum)}
}

func receive[V any](t *testing.T, c <-chan V) V {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		var v V
		t.Fatalf("no %T within 30 s", v)
		return v
	}
}

// TestVirtualNode creates a node, with the test as the database worker, over two REST workers.
func TestVirtualNode(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.addCPI(t, sampleCPI(groupID))
	requests := p.requests(t)
	a, b := p.start(t, "rest-1", 1), p.start(t, "rest-2", 2)

	const hash = "226D5D9460A4"
	r := a.do(t, call{method: "POST", path: "/api/v1/virtualnode", header: map[string]string{"Content-Type": "text/plain"},
		body: `{"request":{"x500Name":"C=GB, o=Alice,L=London","cpiFileChecksum":"1a2b3c4d5e6f","vaultDmlConnection":"{}","vaultDdlConnection":null}}`})
	if r.status != 202 || r.body != `{"requestId":"`+hash+`"}` {
		t.Fatalf("POST: %d %s", r.status, r.body)
	}
	q := receive(t, requests)
	want := record.VirtualNodeCreateRequest{
		HoldingIdentity: ident.HoldingIdentity{X500Name: "O=Alice, L=London, C=GB", GroupID: groupID}, CPIFileChecksum: cpiChecksum,
		VaultDML: "{}", UpdateActor: "admin",
	}
	if diff := cmp.Diff(want, q.Create); diff != "" || q.RequestID != hash {
		t.Errorf("request %s: -want +got\n%s", q.RequestID, diff)
	}

	status := call{path: "/api/v1/virtualnode/status/" + hash}
	for _, each := range []*api{a, b} { // the one that accepted knows at once
		r := each.do(t, status)
		if each == b {
			r = each.await(t, status, func(r reply) bool { return r.status == 200 })
		}
		var got map[string]any
		r.into(t, &got)
		updated, _ := got["lastUpdatedTimestamp"].(string)
		if _, err := time.Parse(time.RFC3339Nano, updated); err != nil || !strings.HasSuffix(updated, "Z") {
			t.Errorf("lastUpdatedTimestamp %q", updated)
		}
		delete(got, "lastUpdatedTimestamp")
		want := map[string]any{"requestId": hash, "operation": "CREATE_VIRTUAL_NODE", "status": "ACCEPTED",
			"processingStage": nil, "errorReason": nil, "resourceId": nil}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("status: -want +got\n%s", diff)
		}
	}
	// A second request must not spoil the status of the first, neither while it is in hand nor after.
	again := failure{"Virtual node " + hash + " of O=Alice, L=London, C=GB in group " + groupID + " is being created already", 409, map[string]string{"requestId": hash}}
	for _, each := range []*api{a, b} {
		each.do(t, create("O=Alice, L=London, C=GB")).want(t, again)
	}
	p.publish(t, statusMessage(hash, record.OperationInProgress, nil))
	b.await(t, status, func(r reply) bool { return strings.Contains(r.body, `"IN_PROGRESS"`) })
	b.do(t, create("O=Alice, L=London, C=GB")).want(t, again)
	p.publish(t, statusMessage(hash, record.OperationCompleted, nil))
	done := a.await(t, status, func(r reply) bool { return strings.Contains(r.body, `"SUCCEEDED"`) })
	const golden = `{"errorReason":null,"lastUpdatedTimestamp":"2023-06-01T12:00:00.120Z","operation":"CREATE_VIRTUAL_NODE",` +
		`"processingStage":null,"requestId":"` + hash + `","resourceId":"` + hash + `","status":"SUCCEEDED"}`
	if done.body != golden {
		t.Errorf("got %s\nwant %s", done.body, golden)
	}
	a.do(t, create("O=Alice, L=London, C=GB")).want(t, again) // the node is on its way to here

	node := record.VirtualNodeInfo{
		HoldingIdentity: want.HoldingIdentity, CPI: sampleCPI(groupID).ID,
		VaultDML: "v", CryptoDML: "c", UniquenessDML: "u", CryptoDDL: new("cd"),
		FlowP2P: record.Active, FlowStart: record.Active, FlowOperational: record.Active, VaultDB: record.Inactive,
	}
	p.publish(t, bus.Message{Topic: record.TopicVirtualNodeInfo, Key: record.Key(node.HoldingIdentity), Value: node})
	one := a.await(t, call{path: "/api/v1/virtualnode/226d5d9460a4"}, func(r reply) bool { return r.status == 200 })
	goldenNode := `{"cpiIdentifier":{"cpiName":"demo","cpiVersion":"1.0","signerSummaryHash":"SHA-256:9F"},` +
		`"cryptoDdlConnectionId":"cd","cryptoDmlConnectionId":"c","externalMessagingRouteConfiguration":null,` +
		`"flowOperationalStatus":"ACTIVE","flowP2pOperationalStatus":"ACTIVE","flowStartOperationalStatus":"ACTIVE",` +
		`"holdingIdentity":{"fullHash":"` + node.HoldingIdentity.FullHash() + `","groupId":"` + groupID + `","shortHash":"` + hash + `","x500Name":"O=Alice, L=London, C=GB"},` +
		`"hsmConnectionId":"null","operationInProgress":null,"uniquenessDdlConnectionId":null,"uniquenessDmlConnectionId":"u",` +
		`"vaultDbOperationalStatus":"INACTIVE","vaultDdlConnectionId":null,"vaultDmlConnectionId":"v"}`
	if one.body != goldenNode {
		t.Errorf("got  %s\nwant %s", one.body, goldenNode)
	}
	if all := a.do(t, call{path: "/api/v1/virtualnode"}); all.body != `{"virtualNodes":[`+goldenNode+`]}` {
		t.Errorf("list: %s", all.body)
	}
	a.do(t, create("L=London, O=Alice, C=GB")).want(t, failure{"Virtual node " + hash + " of O=Alice, L=London, C=GB in group " + groupID + " already exists", 409, nil})
	select {
	case q := <-requests:
		t.Errorf("a second request was published: %+v", q)
	default:
	}
}

func statusMessage(id string, state record.OperationState, reason *string) bus.Message {
	st := record.VirtualNodeOperationStatus{RequestID: id, State: state, Timestamp: published, LatestUpdate: published, FailureReason: reason}
	if state == record.OperationCompleted {
		st.ResourceID = &id
	}
	return bus.Message{Topic: record.TopicVirtualNodeStatus, Key: id, Value: st}
}

// TestVirtualNodeAtOnce sends the same request many times at once: one is accepted.
func TestVirtualNodeAtOnce(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.addCPI(t, sampleCPI(groupID))
	a := p.start(t, "rest-1", 1)
	var wait sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 20 {
		wait.Go(func() {
			r, err := a.try(t, create("O=Bob, L=London, C=GB"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			count[r.status]++
		})
	}
	wait.Wait()
	if count[202] != 1 || count[409] != 19 {
		t.Errorf("20 requests for one identity: %v", count)
	}
	// After a failure it may be tried again.
	id := string(ident.HoldingIdentity{X500Name: "O=Bob, L=London, C=GB", GroupID: groupID}.ShortHash())
	p.publish(t, statusMessage(id, record.OperationMigrationsFailed, new("no room")))
	r := a.await(t, call{path: "/api/v1/virtualnode/status/" + id}, func(r reply) bool { return strings.Contains(r.body, `"FAILED"`) })
	if !strings.Contains(r.body, `"processingStage":"Migration"`) || !strings.Contains(r.body, `"errorReason":"no room"`) {
		t.Errorf("status: %s", r.body)
	}
	if r := a.do(t, create("O=Bob, L=London, C=GB")); r.status != 202 {
		t.Errorf("after a failure: %d %s", r.status, r.body)
	}
	if r := a.do(t, call{path: "/api/v1/virtualnode/status/" + id}); !strings.Contains(r.body, `"ACCEPTED"`) {
		t.Errorf("status of the second try: %s", r.body)
	}
}

// TestVirtualNodeRefused has what is refused before anything is published.
func TestVirtualNodeRefused(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.addCPI(t, sampleCPI(groupID))
	mgm, none := sampleCPI("CREATE_ID"), sampleCPI("")
	mgm.ID.Name, mgm.Hash = "mgm", "SHA-256:AAAAAAAAAAAA00"
	none.ID.Name, none.Hash = "none", "SHA-256:BBBBBBBBBBBB00"
	p.addCPI(t, mgm)
	p.addCPI(t, none)
	a := p.start(t, "rest-1", 1)
	bad := func(parameter, title string) failure {
		return failure{title, 400, map[string]string{parameter: title}}
	}
	const name, sum = "O=Alice, L=London, C=GB", cpiChecksum
	for test, tc := range map[string]struct {
		body map[string]any
		want failure
	}{
		"name without country": {map[string]any{"x500Name": "O=Alice, L=London", "cpiFileChecksum": sum},
			bad("x500Name", `x500Name is not a valid member name: "O=Alice, L=London": C is missing`)},
		"name of another kind": {map[string]any{"x500Name": "EMAIL=a@b, O=A, L=L, C=GB", "cpiFileChecksum": sum},
			bad("x500Name", `x500Name is not a valid member name: "EMAIL=a@b, O=A, L=L, C=GB": EMAIL is not one of CN, OU, O, L, ST, C`)},
		"name before checksum": {map[string]any{"x500Name": "", "cpiFileChecksum": ""},
			bad("x500Name", `x500Name is not a valid member name: "": it is blank`)},
		"full checksum": {map[string]any{"x500Name": name, "cpiFileChecksum": strings.Repeat("A", 64)},
			bad("cpiFileChecksum", `cpiFileChecksum is "`+strings.Repeat("A", 64)+`", the first 12 hex digits of the CPI's checksum are needed`)},
		"checksum that is none": {map[string]any{"x500Name": name, "cpiFileChecksum": "1A2B3C4D5E6G"},
			bad("cpiFileChecksum", `cpiFileChecksum is "1A2B3C4D5E6G", the first 12 hex digits of the CPI's checksum are needed`)},
		"unknown checksum": {map[string]any{"x500Name": name, "cpiFileChecksum": "ABCDEF123456"},
			bad("cpiFileChecksum", "No CPI metadata found for checksum ABCDEF123456")},
		"half a connection": {map[string]any{"x500Name": name, "cpiFileChecksum": sum, "cryptoDdlConnection": "{}"},
			bad("cryptoDmlConnection", "cryptoDdlConnection is given without cryptoDmlConnection")},
		"no group": {map[string]any{"x500Name": name, "cpiFileChecksum": "BBBBBBBBBBBB"},
			failure{"The CPI with checksum BBBBBBBBBBBB has no group policy with a group id", 500, nil}},
	} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			body, err := json.Marshal(tc.body)
			if err != nil {
				t.Fatal(err)
			}
			a.do(t, call{method: "POST", path: "/api/v1/virtualnode", body: body}).want(t, tc.want)
		})
	}
	// Each node of an MGM's CPI founds a group: the same name twice gives two nodes.
	ids := map[string]bool{}
	for range 2 {
		var accepted struct {
			RequestID string `json:"requestId"`
		}
		a.do(t, call{method: "POST", path: "/api/v1/virtualnode", body: `{"x500Name":"O=MGM, L=London, C=GB","cpiFileChecksum":"aaaaaaaaaaaa"}`}).into(t, &accepted)
		ids[accepted.RequestID] = true
	}
	if len(ids) != 2 {
		t.Errorf("request ids of two MGMs: %v", ids)
	}
	a.do(t, call{path: "/api/v1/virtualnode/ABC"}).want(t, failure{`holdingidentityshorthash is not a valid holding identity short hash: "ABC" has 3 characters, 12 hex digits are needed`, 400, nil})
	a.do(t, call{path: "/api/v1/virtualnode/ABCDEF123456"}).want(t, failure{"Virtual Node 'ABCDEF123456' not found.", 404, nil})
	a.do(t, call{path: "/api/v1/virtualnode/status/ABCDEF123456"}).want(t, failure{"No operation with request id 'ABCDEF123456' found.", 404, nil})
	a.do(t, call{path: "/api/v1/virtualnode/status/x"}).want(t, failure{"No operation with request id 'x' found.", 404, nil})
}
