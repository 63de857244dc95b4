package telemetry

import (
	"maps"
	"sync"
)

// State of a component, as in Corda's /status.
type State string

const (
	Up    State = "UP"
	Down  State = "DOWN"
	Error State = "ERROR"
)

// ComponentStatus is one entry of /status.
type ComponentStatus struct {
	State  State  `json:"status"`
	Reason string `json:"reason"`
}

// Status holds the state of a worker's components; safe for concurrent use.
type Status struct {
	mu         sync.Mutex
	components map[string]ComponentStatus
}

// Mark changes the state of one component.
type Mark struct {
	status *Status
	name   string
}

// Component gives the mark of a named component.
func (s *Status) Component(name string) Mark { return Mark{s, name} }

// Up marks the component as ready for work.
func (m Mark) Up() { m.set(ComponentStatus{State: Up}) }

// Down marks the component as not ready, for the time being.
func (m Mark) Down(reason string) { m.set(ComponentStatus{Down, reason}) }

// Error marks the component as failed: the worker must be started again.
func (m Mark) Error(reason string) { m.set(ComponentStatus{Error, reason}) }

func (m Mark) set(c ComponentStatus) {
	m.status.mu.Lock()
	defer m.status.mu.Unlock()
	if m.status.components == nil {
		m.status.components = map[string]ComponentStatus{}
	}
	m.status.components[m.name] = c
}

// Components is a copy of all entries.
func (s *Status) Components() map[string]ComponentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.components)
}
