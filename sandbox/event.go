package sandbox

import (
	"time"

	"github.com/cordage-sandbox/cordage/workers/clock"
)

// Phase of a whole sandbox.
type Phase string

const (
	PhaseStarting Phase = "starting" // on the way up
	PhaseReady    Phase = "ready"    // every node is ready, and the REST API answers through the load balancer
	PhaseDegraded Phase = "degraded" // was ready; a node is not at present
	PhaseStopping Phase = "stopping"
	PhaseStopped  Phase = "stopped" // the supervisor is about to end
	PhaseFailed   Phase = "failed"  // the start failed; what ran has been stopped; the supervisor is about to end
)

// Info describes a sandbox.
type Info struct {
	Name       string            `json:"name"`
	Runtime    string            `json:"runtime"`
	RuntimeWhy string            `json:"runtimeWhy,omitempty"` // why that one, where it was chosen for the user
	Phase      Phase             `json:"phase"`
	Failure    *Failure          `json:"failure,omitempty"` // of the start, in phase failed
	Dir        string            `json:"dir"`               // of everything the sandbox keeps
	Endpoints  Endpoints         `json:"endpoints"`
	Versions   map[string]string `json:"versions"` // cordage, postgres, kafka, java
	Supervisor int               `json:"supervisorPid"`
	Started    time.Time         `json:"started"`          // of the supervisor
	Took       time.Duration     `json:"tookNs,omitempty"` // from the supervisor's start to ready
	Adopted    int               `json:"adopted"`          // nodes that ran already when this supervisor started
	Clock      clock.Setting     `json:"clock"`
	Spec       Spec              `json:"spec"`
}

// Endpoints are where a sandbox is reached; empty until the port is known.
type Endpoints struct {
	REST       string `json:"rest"`     // https://127.0.0.1:PORT/api/v1
	Kafka      string `json:"kafka"`    // 127.0.0.1:PORT, of each broker, with commas between
	PostgreSQL string `json:"postgres"` // 127.0.0.1:PORT
}

// StepState is how far a step of the start is.
type StepState string

const (
	StepWaiting StepState = "waiting"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
)

// Step is one step of the start: the work of a node until it is ready, or a task of the supervisor.
type Step struct {
	Name    string        `json:"name"`
	About   string        `json:"about"`           // what it does, for people
	After   []string      `json:"after,omitempty"` // steps that must be done before
	State   StepState     `json:"state"`
	Started time.Duration `json:"startedNs"`          // since the supervisor started
	Ended   time.Duration `json:"endedNs,omitempty"`  // since the supervisor started
	Detail  string        `json:"detail,omitempty"`   // what is going on, for people
	Done    float64       `json:"fraction,omitempty"` // 0…1 where it is known
}

// Took is how long the step worked.
func (s Step) Took() time.Duration { return s.Ended - s.Started }

// Failure says why a start failed, so that a person can act on it.
type Failure struct {
	Part  string   `json:"part"`          // node or task
	Stage string   `json:"stage"`         // what was being done
	Cause string   `json:"cause"`         // the error
	Log   []string `json:"log,omitempty"` // last lines of the part's log
	Hint  string   `json:"hint,omitempty"`
	Logs  string   `json:"logs,omitempty"` // where the logs are kept
}

// Severity of a warning.
type Severity string

const (
	Notice  Severity = "notice"
	Warning Severity = "warning"
	Fault   Severity = "fault"
)

// Notification is something a user is told.
type Notification struct {
	Code     string   `json:"code"` // stable, from the table in sandbox/supervisor
	Severity Severity `json:"severity"`
	Node     string   `json:"node,omitempty"`
	Text     string   `json:"text"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Snapshot is the full state with which a subscription to events begins.
type Snapshot struct {
	Sandbox Info   `json:"sandbox"`
	Nodes   []Node `json:"nodes"` // in the order of start
	Steps   []Step `json:"steps"` // in the order of start

	Notices []Notification `json:"notices"` // the latest of what a user was told
}

// Event is a change of a sandbox. Exactly one of the pointers is set. Seq grows by one with each event of a supervisor;
// a gap tells the subscriber that it missed some (it was too slow), and that it should subscribe anew.
type Event struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`

	State   *Snapshot     `json:"state,omitempty"`   // the first of a subscription
	Sandbox *Info         `json:"sandbox,omitempty"` // phase, endpoints or clock changed
	Node    *Node         `json:"node,omitempty"`    // a node changed, or its usage was sampled
	Gone    string        `json:"gone,omitempty"`    // a node is no longer part of the sandbox
	Step    *Step         `json:"step,omitempty"`
	Notify  *Notification `json:"notify,omitempty"`
}
