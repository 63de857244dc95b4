package record

import (
	"encoding/json"
	"time"

	"github.com/cordage-sandbox/cordage/workers/ident"
)

// UniquenessCheckRequest asks on [TopicUniquenessCheck] (key: flow id) whether a transaction may have its states.
//
// Source: Corda 5.0, UniquenessCheckRequestAvro.
type UniquenessCheckRequest struct {
	HoldingIdentity ident.HoldingIdentity `json:"holdingIdentity"` // the virtual node that asks
	Context         ExternalEventContext  `json:"flowExternalEventContext"`
	TxID            string                `json:"txId"` // ALGO:HEX
	Originator      string                `json:"originatorX500Name"`
	Inputs          []string              `json:"inputStates"`     // ALGO:HEX:INDEX, to be consumed
	References      []string              `json:"referenceStates"` // ALGO:HEX:INDEX, must be unspent
	Outputs         int                   `json:"numOutputStates"`
	LowerBound      *time.Time            `json:"timeWindowLowerBound"` // inclusive; millisecond precision
	UpperBound      time.Time             `json:"timeWindowUpperBound"` // exclusive; millisecond precision
}

// ExternalEventContext ties an answer to the flow that waits for it.
type ExternalEventContext struct {
	RequestID  string            `json:"requestId"`
	FlowID     string            `json:"flowId"`
	Properties map[string]string `json:"contextProperties,omitempty"`
}

// UniquenessResult is the kind of a verdict.
type UniquenessResult string

// The kinds. All but the last two are remembered for ever.
const (
	ResultSuccess           UniquenessResult = "success"
	ResultInputUnknown      UniquenessResult = "inputStateUnknown"
	ResultInputConflict     UniquenessResult = "inputStateConflict"
	ResultReferenceUnknown  UniquenessResult = "referenceStateUnknown"
	ResultReferenceConflict UniquenessResult = "referenceStateConflict"
	ResultTimeWindow        UniquenessResult = "timeWindowOutOfBounds"
	ResultMalformed         UniquenessResult = "malformedRequest"
	ResultException         UniquenessResult = "unhandledException"
)

// UniquenessCheckResponse is the verdict, in the payload of an [ExternalEventResponse] on [TopicFlowEvent].
type UniquenessCheckResponse struct {
	TxID   string           `json:"txId"` // as in the request
	Result UniquenessResult `json:"result"`

	CommitTimestamp     *time.Time      `json:"commitTimestamp,omitempty"`       // success: when it was committed; a rejection: when it was decided
	UnknownStates       []string        `json:"unknownStates,omitempty"`         // inputStateUnknown, referenceStateUnknown
	ConflictingStates   []string        `json:"conflictingStates,omitempty"`     // inputStateConflict, referenceStateConflict
	ConsumingTx         []ConsumedState `json:"consumingTransactions,omitempty"` // of each conflicting state, where known; not in 5.0
	EvaluationTimestamp *time.Time      `json:"evaluationTimestamp,omitempty"`   // timeWindowOutOfBounds
	LowerBound          *time.Time      `json:"timeWindowLowerBound,omitempty"`
	UpperBound          *time.Time      `json:"timeWindowUpperBound,omitempty"`
	ErrorText           string          `json:"errorText,omitempty"` // malformedRequest
	Exception           *Failure        `json:"exception,omitempty"` // unhandledException
	Earlier             bool            `json:"earlier"`             // the verdict had been given before; not in 5.0
}

// ConsumedState names the transaction that consumed a state.
type ConsumedState struct {
	State       string `json:"stateRef"`
	ConsumingTx string `json:"consumingTxId"`
}

// ExternalEventResponse answers a flow on [TopicFlowEvent] (key: flow id).
type ExternalEventResponse struct {
	RequestID string              `json:"requestId"`
	Payload   json.RawMessage     `json:"payload,omitempty"`
	Type      string              `json:"payloadType,omitempty"` // record type of the payload
	Error     *ExternalEventError `json:"error,omitempty"`
	Timestamp time.Time           `json:"timestamp"`
}

// ExternalEventError is a failure of an external event.
type ExternalEventError struct {
	Kind    string  `json:"errorType"` // TRANSIENT, PLATFORM or FATAL
	Failure Failure `json:"exception"`
}
