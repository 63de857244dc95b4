package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/role"
)

// DefaultName is the sandbox that commands mean when they are not told another.
const DefaultName = "default"

// Databases says how the cluster's logical databases lie on the one server.
type Databases string

const (
	Shared   Databases = "shared"   // one database, a schema for each
	Separate Databases = "separate" // a database for each
)

// Spec is what a sandbox is to be. It is kept in the sandbox's state file and changed by a [Wish].
type Spec struct {
	Name       string         `json:"name"`
	Runtime    string         `json:"runtime"`         // process
	Replicas   map[string]int `json:"replicas"`        // by worker type; every type has an entry
	Ports      map[string]int `json:"ports,omitempty"` // wanted by the user, by NODE/PURPOSE; absent: a free one, kept
	Databases  Databases      `json:"databases"`       //
	Partitions int            `json:"partitions"`      // of each topic
	Brokers    int            `json:"brokers"`         // of Kafka: 1, or 3 with every record on all of them
	LogLevel   string         `json:"logLevel"`        // debug, info, warn, error
	Seed       uint64         `json:"seed,omitempty"`  // of chance that shapes behaviour; 0: another each time
}

// DefaultSpec is a sandbox of one worker of each type.
func DefaultSpec(name string) Spec {
	replicas := map[string]int{}
	for _, r := range role.All() {
		replicas[r.Name] = 1
	}
	return Spec{
		Name: name, Runtime: "process", Replicas: replicas, Databases: Shared, Partitions: DefaultPartitions,
		Brokers: 1, LogLevel: "info",
	}
}

// DefaultPartitions of each topic. A topic with fewer partitions than consumers leaves some of them idle.
const DefaultPartitions = 4

// Replication of records in a cluster of several brokers: on how many each is kept, and so how many brokers there are. One
// of them may be away: a record is safe when MinInSync of them have it.
const (
	Replication = 3
	MinInSync   = 2
)

// Limits of a specification. They keep a slip of the finger from filling a laptop.
const (
	MaxReplicas   = 16
	MaxPartitions = 64
)

// Wish is what a user asks of a sandbox when starting it; a zero field leaves what is.
type Wish struct {
	Replicas   map[string]int `json:"replicas,omitempty"`
	Ports      map[string]int `json:"ports,omitempty"` // by purpose (rest, postgres, kafka) or NODE/PURPOSE; 0: a free one
	Databases  Databases      `json:"databases,omitempty"`
	Partitions int            `json:"partitions,omitempty"`
	Brokers    int            `json:"brokers,omitempty"`
	LogLevel   string         `json:"logLevel,omitempty"`
	Seed       uint64         `json:"seed,omitempty"`
	Offline    bool           `json:"offline,omitempty"` // fetch nothing; holds for this start only
}

// Purposes are the names by which users call the ports that they reach a sandbox at.
func Purposes() map[string]string {
	return map[string]string{"rest": "lb-1/rest", "postgres": "postgres/sql", "kafka": "kafka-1/broker"}
}

// Apply gives the specification that s becomes by the wish. Stored tells that the sandbox has data, so that what is
// baked into the data cannot change any more.
//
// Errors: one that lists every fault.
func (w Wish) Apply(s Spec, stored bool) (Spec, error) {
	next := s
	next.Replicas, next.Ports = maps.Clone(s.Replicas), maps.Clone(s.Ports)
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(w.Replicas)) {
		if err := CheckReplicas(name, w.Replicas[name]); err != nil {
			faults = append(faults, err)
			continue
		}
		next.Replicas[name] = w.Replicas[name]
	}
	for _, purpose := range slices.Sorted(maps.Keys(w.Ports)) {
		key, err := portKey(purpose, w.Ports[purpose])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if next.Ports == nil {
			next.Ports = map[string]int{}
		}
		if next.Ports[key] = w.Ports[purpose]; w.Ports[purpose] == 0 {
			delete(next.Ports, key)
		}
	}
	faults = append(faults, w.applyFixed(&next, stored)...)
	if w.LogLevel != "" {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, w.LogLevel) {
			faults = append(faults, fmt.Errorf("log level %q: it is debug, info, warn or error", w.LogLevel))
		}
		next.LogLevel = w.LogLevel
	}
	if w.Seed != 0 {
		next.Seed = w.Seed
	}
	return next, errors.Join(faults...)
}

// applyFixed takes over what cannot change once there is data.
func (w Wish) applyFixed(next *Spec, stored bool) (faults []error) {
	if w.Databases != "" && w.Databases != next.Databases {
		switch {
		case w.Databases != Shared && w.Databases != Separate:
			faults = append(faults, fmt.Errorf("databases %q: it is %s or %s", w.Databases, Shared, Separate))
		case stored:
			faults = append(faults, &FixedError{Sandbox: next.Name, What: "databases", Is: string(next.Databases)})
		}
		next.Databases = w.Databases
	}
	if w.Partitions != 0 && w.Partitions != next.Partitions {
		switch {
		case w.Partitions < 1 || w.Partitions > MaxPartitions:
			faults = append(faults, fmt.Errorf("partitions %d: it is 1 to %d", w.Partitions, MaxPartitions))
		case stored:
			faults = append(faults, &FixedError{Sandbox: next.Name, What: "partitions", Is: fmt.Sprint(next.Partitions)})
		}
		next.Partitions = w.Partitions
	}
	if w.Brokers != 0 && w.Brokers != next.Brokers {
		switch {
		case w.Brokers != 1 && w.Brokers != Replication:
			faults = append(faults, fmt.Errorf("brokers %d: it is 1 or %d", w.Brokers, Replication))
		case stored:
			faults = append(faults, &FixedError{Sandbox: next.Name, What: "brokers", Is: fmt.Sprint(next.Brokers)})
		}
		next.Brokers = w.Brokers
	}
	return faults
}

// CheckReplicas checks a number of workers of one type.
func CheckReplicas(name string, n int) error {
	if _, ok := role.ByName(name); !ok {
		return fmt.Errorf("replicas of %q: no such worker type; there are %s", name, strings.Join(RoleNames(), ", "))
	}
	if name == role.Balancer.Name && n != 1 {
		return fmt.Errorf("replicas of %s %d: there is exactly one load balancer", name, n)
	}
	if n < 0 || n > MaxReplicas {
		return fmt.Errorf("replicas of %s %d: it is 0 to %d", name, n, MaxReplicas)
	}
	return nil
}

// RoleNames lists the worker types in the order in which they start.
func RoleNames() []string {
	var names []string
	for _, r := range role.All() {
		names = append(names, r.Name)
	}
	return names
}

func portKey(purpose string, number int) (string, error) {
	key, known := Purposes()[purpose]
	if !known {
		if key = purpose; !strings.Contains(purpose, "/") {
			return "", fmt.Errorf("port %q: it is %s, or NODE/PURPOSE such as database-1/monitor", purpose,
				strings.Join(slices.Sorted(maps.Keys(Purposes())), ", "))
		}
	}
	if number < 0 || number > 65535 {
		return "", fmt.Errorf("port %s=%d: a port is 1 to 65535, or 0 for a free one", purpose, number)
	}
	return key, nil
}

// namePattern keeps names usable as folder, label and part of a socket's path.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`) //nolint:gochecknoglobals // a constant

// CheckName checks a sandbox's name.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("sandbox name %q: it is 1 to 32 lower-case letters, digits and hyphens, no hyphen first or last", name)
	}
	return nil
}
