package record

import (
	"time"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// VirtualNodeRequest asks on [TopicVirtualNodeAsyncRequest] (key: short hash) for a virtual node.
type VirtualNodeRequest struct {
	RequestID string                   `json:"requestId"` // the short hash
	Timestamp time.Time                `json:"timestamp"`
	Create    VirtualNodeCreateRequest `json:"create"`
}

// VirtualNodeCreateRequest is a virtual node to be made. Connections given are used as they are, and no schema, user or
// table is made for them; each is the JSON text of a connection (see package store).
type VirtualNodeCreateRequest struct {
	HoldingIdentity ident.HoldingIdentity `json:"holdingId"`
	CPIFileChecksum string                `json:"cpiFileChecksum"` // the first 12 hex digits, upper case
	VaultDDL        string                `json:"vaultDdlConnection,omitempty"`
	VaultDML        string                `json:"vaultDmlConnection,omitempty"`
	CryptoDDL       string                `json:"cryptoDdlConnection,omitempty"`
	CryptoDML       string                `json:"cryptoDmlConnection,omitempty"`
	UniquenessDDL   string                `json:"uniquenessDdlConnection,omitempty"`
	UniquenessDML   string                `json:"uniquenessDmlConnection,omitempty"`
	UpdateActor     string                `json:"updateActor"`
}

// OperationState of an asynchronous operation on a virtual node.
type OperationState string

const (
	OperationAccepted          OperationState = "ACCEPTED"
	OperationInProgress        OperationState = "IN_PROGRESS"
	OperationValidationFailed  OperationState = "VALIDATION_FAILED"
	OperationMigrationsFailed  OperationState = "MIGRATIONS_FAILED"
	OperationUnexpectedFailure OperationState = "UNEXPECTED_FAILURE"
	OperationAborted           OperationState = "ABORTED"
	OperationCompleted         OperationState = "COMPLETED"
)

// VirtualNodeOperationStatus tells on [TopicVirtualNodeStatus] (key: request id) how far an operation is.
type VirtualNodeOperationStatus struct {
	RequestID     string         `json:"requestId"`
	State         OperationState `json:"state"`
	Timestamp     time.Time      `json:"requestTimestamp"`
	LatestUpdate  time.Time      `json:"latestUpdateTimestamp"`
	ResourceID    *string        `json:"resourceId"` // the short hash, when completed
	FailureReason *string        `json:"errors"`
}

// OperationalStatus of one side of a virtual node.
type OperationalStatus string

const (
	Active   OperationalStatus = "ACTIVE"
	Inactive OperationalStatus = "INACTIVE"
)

// VirtualNodeInfo is a virtual node on [TopicVirtualNodeInfo]; its key is the [Key] of the holding identity. It names
// connections by id and never holds credentials.
type VirtualNodeInfo struct {
	HoldingIdentity   ident.HoldingIdentity `json:"holdingIdentity"`
	CPI               CPIIdentifier         `json:"cpiIdentifier"`
	VaultDDL          *string               `json:"vaultDdlConnectionId"`
	VaultDML          string                `json:"vaultDmlConnectionId"`
	CryptoDDL         *string               `json:"cryptoDdlConnectionId"`
	CryptoDML         string                `json:"cryptoDmlConnectionId"`
	UniquenessDDL     *string               `json:"uniquenessDdlConnectionId"`
	UniquenessDML     string                `json:"uniquenessDmlConnectionId"`
	HSM               *string               `json:"hsmConnectionId"`
	FlowP2P           OperationalStatus     `json:"flowP2pOperationalStatus"`
	FlowStart         OperationalStatus     `json:"flowStartOperationalStatus"`
	FlowOperational   OperationalStatus     `json:"flowOperationalStatus"`
	VaultDB           OperationalStatus     `json:"vaultDbOperationalStatus"`
	OperationProgress *string               `json:"operationInProgress"`
	ExternalRoutes    *string               `json:"externalMessagingRouteConfig"`
	Version           int                   `json:"version"`
	Timestamp         time.Time             `json:"timestamp"`
}

// HSMRegistrationRequest asks on [TopicHSMRegistration] that a tenant have a wrapping key in the soft HSM.
type HSMRegistrationRequest struct {
	TenantID string `json:"tenantId"` // a short hash, p2p or rest
	Category string `json:"category,omitempty"`
}

// FailureInvalidTenant is the type of a refusal in an [HSMRegistrationResponse].
const FailureInvalidTenant = "InvalidParamsException"

// HSMRegistrationResponse answers it.
type HSMRegistrationResponse struct {
	Failure        *Failure `json:"failure,omitempty"`
	HSMID          string   `json:"hsmId,omitempty"`          // SOFT
	MasterKeyAlias string   `json:"masterKeyAlias,omitempty"` // alias of the tenant's wrapping key
}
