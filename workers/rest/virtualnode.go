package rest

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// groupToBeMade is the group id of an MGM's CPI: its virtual node founds a group of its own.
const groupToBeMade = "CREATE_ID"

// publishTimeout bounds the publication of a request.
const publishTimeout = 30 * time.Second

// postVirtualNode asks the database worker for a virtual node. The checks and their order are Corda 5.0's. What differs:
// a checksum in lower case is found, and a node that is being made is refused like one that is there, so that a second
// request cannot spoil the status of the first.
func (s *service) postVirtualNode(ctx context.Context, r *request) (answer, error) {
	var body CreateVirtualNodeRequest
	if err := r.bind(&body); err != nil {
		return answer{}, err
	}
	identity, create, err := s.checkCreate(body)
	if err != nil {
		return answer{}, err
	}
	create.UpdateActor = r.who.Login
	id := string(identity.ShortHash())

	done, free := s.creating.take(id)
	if !free {
		return answer{}, beingCreated(identity, id)
	}
	defer done()
	if len(s.cluster.nodesByHash.find(id)) > 0 {
		return answer{}, fail(http.StatusConflict, "Virtual node %s of %s in group %s already exists", id, identity.X500Name, identity.GroupID)
	}
	switch status, _ := s.cluster.statuses.Get(id); status.State {
	case record.OperationAccepted, record.OperationInProgress, record.OperationCompleted:
		return answer{}, beingCreated(identity, id)
	}
	if err := s.requestVirtualNode(ctx, id, create); err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, AsyncResponse{RequestId: id}}, nil
}

func beingCreated(identity ident.HoldingIdentity, id string) error {
	return fail(http.StatusConflict, "Virtual node %s of %s in group %s is being created already", id, identity.X500Name, identity.GroupID).
		with("requestId", id)
}

// checkCreate checks a request against what is known here.
func (s *service) checkCreate(body CreateVirtualNodeRequest) (ident.HoldingIdentity, record.VirtualNodeCreateRequest, error) {
	none := ident.HoldingIdentity{}
	name, err := ident.ParseName(body.X500Name)
	if err != nil {
		return none, record.VirtualNodeCreateRequest{}, badInput("x500Name", "x500Name is %v", err)
	}
	checksum := strings.ToUpper(body.CpiFileChecksum)
	if raw, err := hex.DecodeString(checksum); err != nil || len(raw) != 6 {
		return none, record.VirtualNodeCreateRequest{},
			badInput("cpiFileChecksum", "cpiFileChecksum is %.80q, the first 12 hex digits of the CPI's checksum are needed", body.CpiFileChecksum)
	}
	create := record.VirtualNodeCreateRequest{CPIFileChecksum: checksum}
	for _, c := range []struct {
		name     string
		ddl, dml *string
		into     [2]*string
	}{
		{"vault", body.VaultDdlConnection, body.VaultDmlConnection, [2]*string{&create.VaultDDL, &create.VaultDML}},
		{"crypto", body.CryptoDdlConnection, body.CryptoDmlConnection, [2]*string{&create.CryptoDDL, &create.CryptoDML}},
		{"uniqueness", body.UniquenessDdlConnection, body.UniquenessDmlConnection, [2]*string{&create.UniquenessDDL, &create.UniquenessDML}},
	} {
		*c.into[0], *c.into[1] = text(c.ddl), text(c.dml)
		if *c.into[0] != "" && *c.into[1] == "" {
			return none, create, badInput(c.name+"DmlConnection", "%sDdlConnection is given without %sDmlConnection", c.name, c.name)
		}
	}
	cpis := s.cluster.cpisByChecksum.find(checksum)
	if len(cpis) == 0 {
		return none, create, badInput("cpiFileChecksum", "No CPI metadata found for checksum %s", checksum)
	}
	group := cpis[0].GroupID
	switch group {
	case "":
		return none, create, fail(http.StatusInternalServerError, "The CPI with checksum %s has no group policy with a group id", checksum)
	case groupToBeMade:
		group = uuid.NewString()
	}
	create.HoldingIdentity = ident.NewHoldingIdentity(name, group)
	return create.HoldingIdentity, create, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// requestVirtualNode publishes that a request is accepted, and the request, in one transaction: whoever works on the request
// can only add to the status. It returns when this worker sees the status itself.
func (s *service) requestVirtualNode(ctx context.Context, id string, create record.VirtualNodeCreateRequest) error {
	now := s.clock.Now()
	// A client that goes away does not take its request back.
	publishCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	err := s.cluster.requests.Publish(publishCtx,
		bus.Message{Topic: record.TopicVirtualNodeStatus, Key: id, Value: record.VirtualNodeOperationStatus{
			RequestID: id, State: record.OperationAccepted, Timestamp: now, LatestUpdate: now,
		}},
		bus.Message{Topic: record.TopicVirtualNodeAsyncRequest, Key: id, Value: record.VirtualNodeRequest{
			RequestID: id, Timestamp: now, Create: create,
		}})
	if err != nil {
		return late(err, "publish the request for virtual node "+id)
	}
	seen, cancelSeen := context.WithTimeout(publishCtx, 2*time.Second)
	defer cancelSeen()
	err = s.cluster.statuses.AwaitKey(seen, id, func(st record.VirtualNodeOperationStatus, ok bool) bool {
		return ok && !st.Timestamp.Before(now)
	})
	if err != nil {
		s.tel.Log.WarnContext(ctx, "the request is published, but its status has not come back yet", "request", id, "error", err)
	}
	return nil
}

// inHand is a set of requests that are being accepted by this worker.
type inHand struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func newInHand() *inHand { return &inHand{ids: map[string]struct{}{}} }

// take enters an id, unless it is in already.
func (h *inHand) take(id string) (done func(), free bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.ids[id]; taken {
		return nil, false
	}
	h.ids[id] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.ids, id)
	}, true
}

// getVirtualNodes lists all virtual nodes, by name and group.
func (s *service) getVirtualNodes(ctx context.Context, _ *request) (answer, error) {
	list := VirtualNodes{VirtualNodes: []VirtualNodeInfo{}}
	for _, n := range s.cluster.nodes.All() {
		list.VirtualNodes = append(list.VirtualNodes, s.describeNode(ctx, n))
	}
	slices.SortFunc(list.VirtualNodes, func(a, b VirtualNodeInfo) int {
		return cmp.Or(cmp.Compare(a.HoldingIdentity.X500Name, b.HoldingIdentity.X500Name),
			cmp.Compare(a.HoldingIdentity.GroupId, b.HoldingIdentity.GroupId))
	})
	return ok(list)
}

// getVirtualNode gives one virtual node.
func (s *service) getVirtualNode(ctx context.Context, r *request) (answer, error) {
	hash, err := ident.ParseShortHash(r.path("holdingidentityshorthash"))
	if err != nil {
		return answer{}, fail(http.StatusBadRequest, "holdingidentityshorthash is %v", err)
	}
	nodes := s.cluster.nodesByHash.find(string(hash))
	if len(nodes) == 0 {
		return answer{}, fail(http.StatusNotFound, "Virtual Node '%s' not found.", hash)
	}
	return ok(s.describeNode(ctx, nodes[0]))
}

// getVirtualNodeStatus tells how far an operation is. The id is compared exactly, as in Corda 5.0.
func (s *service) getVirtualNodeStatus(ctx context.Context, r *request) (answer, error) {
	id := r.path("requestid")
	if _, err := ident.ParseShortHash(id); err == nil {
		again, cancel := context.WithTimeout(ctx, lookAgain)
		defer cancel()
		err = s.cluster.statuses.AwaitKey(again, id, func(_ record.VirtualNodeOperationStatus, ok bool) bool { return ok })
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return answer{}, err
		}
	}
	status, known := s.cluster.statuses.Get(id)
	if !known {
		return answer{}, fail(http.StatusNotFound, "No operation with request id '%.80s' found.", id)
	}
	return ok(describeOperation(status))
}

func describeOperation(st record.VirtualNodeOperationStatus) AsyncOperationStatus {
	out := AsyncOperationStatus{
		RequestId: st.RequestID, Operation: "CREATE_VIRTUAL_NODE", LastUpdatedTimestamp: Instant(st.LatestUpdate),
		ErrorReason: st.FailureReason, ResourceId: st.ResourceID,
	}
	stage := ""
	switch st.State {
	case record.OperationAccepted:
		out.Status = AsyncOperationStatusStatusACCEPTED
	case record.OperationInProgress:
		out.Status = AsyncOperationStatusStatusINPROGRESS
	case record.OperationCompleted:
		out.Status = AsyncOperationStatusStatusSUCCEEDED
	case record.OperationAborted:
		out.Status = AsyncOperationStatusStatusABORTED
	case record.OperationValidationFailed:
		out.Status, stage = AsyncOperationStatusStatusFAILED, "Validation"
	case record.OperationMigrationsFailed:
		out.Status, stage = AsyncOperationStatusStatusFAILED, "Migration"
	default:
		out.Status = AsyncOperationStatusStatusFAILED
	}
	if stage != "" {
		out.ProcessingStage = &stage
	}
	return out
}

// describeNode puts a virtual node into the contract's form.
func (s *service) describeNode(ctx context.Context, n record.VirtualNodeInfo) VirtualNodeInfo {
	id := n.HoldingIdentity
	hsm := "null" // the text, as Corda 5.0 writes it
	if n.HSM != nil {
		hsm = *n.HSM
	}
	out := VirtualNodeInfo{
		HoldingIdentity: HoldingIdentity{
			X500Name: id.X500Name, GroupId: id.GroupID, ShortHash: string(id.ShortHash()), FullHash: id.FullHash(),
		},
		CpiIdentifier:        describeCPIIdentifier(n.CPI),
		VaultDdlConnectionId: n.VaultDDL, VaultDmlConnectionId: n.VaultDML,
		CryptoDdlConnectionId: n.CryptoDDL, CryptoDmlConnectionId: n.CryptoDML,
		UniquenessDdlConnectionId: n.UniquenessDDL, UniquenessDmlConnectionId: n.UniquenessDML,
		HsmConnectionId:          &hsm,
		FlowP2pOperationalStatus: n.FlowP2P, FlowStartOperationalStatus: n.FlowStart,
		FlowOperationalStatus: n.FlowOperational, VaultDbOperationalStatus: n.VaultDB,
		OperationInProgress: n.OperationProgress,
	}
	if n.ExternalRoutes != nil {
		if err := json.Unmarshal([]byte(*n.ExternalRoutes), &out.ExternalMessagingRouteConfiguration); err != nil {
			s.tel.Log.ErrorContext(ctx, "the external messaging routes of a virtual node cannot be read", "node", id.ShortHash(), "error", err)
		}
	}
	return out
}
