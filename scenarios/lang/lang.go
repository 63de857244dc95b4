// Package lang is the scenario language: a YAML file becomes a checked [Scenario], or a list of all its faults with
// their places. It knows nothing of how a scenario is run.
package lang

import (
	"time"

	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// Pos is a place in a scenario file, Fault one thing wrong there, and Faults all of them, which is an error.
type (
	Pos    = strictyaml.Pos
	Fault  = strictyaml.Fault
	Faults = strictyaml.Faults
)

// Scenario is a checked scenario.
type Scenario struct {
	File        string
	Name        string // as given to cordage scenario run
	Description string
	Timeout     time.Duration  // of the whole run
	Replicas    map[string]int // of worker types, in a sandbox started for this scenario alone
	Brokers     int            // of Kafka, that the sandbox must have; 0: any number
	Vars        []Assignment   // evaluated before the first step, in order
	Steps       []Step
}

// Assignment gives a variable a value.
type Assignment struct {
	Pos   Pos
	Name  string
	Value Value
}

// Save keeps a part of a step's outcome in a variable.
type Save struct {
	Name string
	Expr Expr
}

// Step is one step: an action, what is expected of its outcome, and what is kept of it.
type Step struct {
	Pos    Pos
	Name   string
	Action Action
	Expect Expect
	Save   []Save
	Within time.Duration // the step is done again until its expectations hold, at most for this long; 0 means once
}

// Action is one of the action types of this package.
type Action interface{ Kind() string }

// REST calls the cluster's REST API. Its outcome is {status, headers, body}; the body is parsed where it is JSON.
type REST struct {
	Method string
	Path   Value            // below /api/v1
	Query  map[string]Value //
	JSON   *Value           // body
	Raw    *Value           // body, sent as it is
	Form   map[string]Value // multipart text parts
	File   *RESTFile        // multipart file part
	User   *Value           // another login than the administrator's
	Pass   *Value
}

// RESTFile is a file part of a multipart body.
type RESTFile struct{ Field, Path Value }

// Notary asks the uniqueness checker with one batch, as one flow worker would. Its outcome is {results}.
type Notary struct {
	VirtualNode Value // short hash
	Requests    []NotaryRequest
}

// NotaryRequest is one request of a batch; bounds that are nil are not sent (upper: an hour from the sandbox's now).
type NotaryRequest struct {
	TxID                   Value
	Inputs, References     *Value // lists of state references
	Outputs                *Value // a number; default 0
	LowerBound, UpperBound *Value // RFC 3339
	Originator             *Value
}

// SQL reads from a logical database, in a read-only transaction. Its outcome is {rows}: a list of objects by column.
type SQL struct {
	Database Value // config, rbac, crypto, or SHORTHASH/vault, SHORTHASH/crypto, SHORTHASH/uniqueness
	Query    Value
	Args     []Value
}

// Worker acts on a node or on the number of a worker type's replicas, and waits until the sandbox is as wanted.
// Its outcome is {nodes}: the names of all nodes that are ready.
type Worker struct {
	Op       string // kill, restart, scale
	Node     Value  // kill, restart
	Role     string // scale
	Replicas int
}

// Clock changes the sandbox's clock. Its outcome is {now}.
type Clock struct {
	Op    string // freeze, set, advance, resume
	Value Value  // a time, or a duration
}

// Package builds and signs a CPI. Its outcome is {file, checksum, certificate, groupId, name, version}: paths of the
// CPI and of its signer's certificate, the checksum as 64 hex digits.
type Package struct {
	CPI     Value
	Version *Value
	Content string // notary: R3's released notary CPKs; sample: a small CPK made on the spot
	Members *Value // list of names of the static group
	Damage  string // "", unsigned, truncated, altered
	GroupID *Value // default: a new one
}

// Parallel runs steps at the same time.
type Parallel struct{ Steps []Step }

// Each runs steps once for each number from From to To, in variable Var.
type Each struct {
	Var      string
	From, To int
	Parallel bool
	Steps    []Step
}

// Check only evaluates its step's expectations.
type Check struct{}

func (REST) Kind() string     { return "rest" }
func (Notary) Kind() string   { return "notary" }
func (SQL) Kind() string      { return "sql" }
func (Worker) Kind() string   { return "worker" }
func (Clock) Kind() string    { return "clock" }
func (Package) Kind() string  { return "package" }
func (Parallel) Kind() string { return "parallel" }
func (Each) Kind() string     { return "each" }
func (Check) Kind() string    { return "check" }

// outcome tells the members of an action's outcome.
func outcome(a Action) []string {
	switch a.(type) {
	case REST:
		return []string{"status", "headers", "body"}
	case Notary:
		return []string{"results"}
	case SQL:
		return []string{"rows"}
	case Worker:
		return []string{"nodes"}
	case Clock:
		return []string{"now"}
	case Package:
		return []string{"file", "certificate", "checksum", "groupId", "name", "version"}
	default:
		return nil
	}
}

// Expect is what must hold of a step's outcome. Values are compared exactly; Has compares the members it names.
type Expect struct {
	Fields []Assignment // outcome member → exact value: status, body, rows, now …
	Has    []Assignment // outcome member → object or list of objects whose named members must be equal
	That   []Expr       // expressions that must be true
}

// Empty tells that nothing is expected.
func (e Expect) Empty() bool { return len(e.Fields)+len(e.Has)+len(e.That) == 0 }
