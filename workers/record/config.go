package record

import (
	"encoding/json"
	"time"

	"github.com/cordage-sandbox/cordage/workers/clock"
)

// SchemaVersion is the version of a configuration section's schema.
type SchemaVersion struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

// Configuration is a section on [TopicConfig]; its key is the section's name.
type Configuration struct {
	Value         json.RawMessage `json:"value"`  // with defaults
	Source        string          `json:"source"` // as it was given; empty for an untouched section
	Version       int             `json:"version"`
	SchemaVersion SchemaVersion   `json:"schemaVersion"`
}

// ConfigurationManagementRequest asks on [TopicConfigManagement] to replace a section.
type ConfigurationManagementRequest struct {
	Section       string        `json:"section"`
	Config        string        `json:"config"` // JSON text
	SchemaVersion SchemaVersion `json:"schemaVersion"`
	Version       int           `json:"version"` // the stored one; -1 where there is none
	UpdateActor   string        `json:"updateActor"`
}

// Failure types of a [ConfigurationManagementResponse].
const (
	FailureWrongConfigVersion = "WrongConfigVersionException"
	FailureInvalidConfig      = "ConfigurationValidationException"
)

// ConfigurationManagementResponse answers it.
type ConfigurationManagementResponse struct {
	Failure       *Failure      `json:"failure,omitempty"`
	Section       string        `json:"section"`
	Config        string        `json:"config"`
	SchemaVersion SchemaVersion `json:"schemaVersion"`
	Version       int           `json:"version"` // the new one
}

// Clock is the setting of the sandbox's clock, on [TopicClock] under the key [ClockKey].
type Clock struct {
	Setting   clock.Setting `json:"setting"`
	Timestamp time.Time     `json:"timestamp"` // machine time of the change
}

// ClockKey is the one key on [TopicClock].
const ClockKey = "clock"
