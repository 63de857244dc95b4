package sandbox

import (
	"cmp"
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
	Runtime    string         `json:"runtime"`         // process or container
	Replicas   map[string]int `json:"replicas"`        // by worker type; every type has an entry
	Ports      map[string]int `json:"ports,omitempty"` // wanted by the user, by NODE/PURPOSE; absent: a free one, kept
	Databases  Databases      `json:"databases"`       //
	Partitions int            `json:"partitions"`      // of each topic
	Brokers    int            `json:"brokers"`         // of Kafka: 1, or 3 with every record on all of them
	LogLevel   string         `json:"logLevel"`        // debug, info, warn, error
	Seed       uint64         `json:"seed,omitempty"`  // of chance that shapes behaviour; 0: another each time

	LogLevels map[string]string `json:"logLevels,omitempty"` // of worker types that log otherwise
	Limits    map[string]Limit  `json:"limits,omitempty"`    // by worker type, postgres or kafka; absent: none
	Images    Images            `json:"images,omitzero"`     // for the container runtime
}

// Limit is what each node of a type may use at most. Zero is no limit.
type Limit struct {
	MemoryBytes int64   `json:"memoryBytes,omitempty"`
	CPUs        float64 `json:"cpus,omitempty"` // cores
}

// Images are container images that a user has chosen. Empty: those that Cordage pulls or builds.
type Images struct {
	Postgres string `json:"postgres,omitempty"` // honours POSTGRES_*, as the public image does
	Kafka    string `json:"kafka,omitempty"`    // has kafka-storage and kafka-server-start on PATH
	Base     string `json:"base,omitempty"`     // on which the images of servers are built, where none can be pulled
}

// Runtimes, by name. Auto is none: it is a wish to have one chosen.
const (
	Auto       = "auto"
	Processes  = "process"
	Containers = "container"
)

// DefaultSpec is a sandbox of one worker of each type.
func DefaultSpec(name string) Spec {
	replicas := map[string]int{}
	for _, r := range role.All() {
		replicas[r.Name] = 1
	}
	return Spec{
		Name: name, Runtime: Processes, Replicas: replicas, Databases: Shared, Partitions: DefaultPartitions,
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

// Limits of a specification. They keep a slip of the finger from filling a laptop, and a node from being starved.
const (
	MaxReplicas   = 16
	MaxPartitions = 64
	MinMemory     = 32 << 20 // bytes, of a node that has a limit
	MinCPUs       = 0.05     // of a node that has a limit
	MaxCPUs       = 1024
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

	Runtime    string `json:"runtime,omitempty"`    // process, container, or auto: the one that is
	RuntimeWhy string `json:"runtimeWhy,omitempty"` // why that one, for people; holds for this start only

	LogLevels map[string]string `json:"logLevels,omitempty"` // by worker type; "" takes a type's own level away
	Limits    map[string]Limit  `json:"limits,omitempty"`    // by worker type, postgres or kafka; a zero limit takes it away
	Images    Images            `json:"images,omitzero"`
}

// Over gives the wish that is w, and other where w leaves something open.
func (w Wish) Over(other Wish) Wish {
	return Wish{
		Replicas: over(w.Replicas, other.Replicas), Ports: over(w.Ports, other.Ports),
		Databases: cmp.Or(w.Databases, other.Databases), Partitions: cmp.Or(w.Partitions, other.Partitions),
		Brokers: cmp.Or(w.Brokers, other.Brokers), LogLevel: cmp.Or(w.LogLevel, other.LogLevel), Seed: cmp.Or(w.Seed, other.Seed),
		Offline: w.Offline || other.Offline, Runtime: cmp.Or(w.Runtime, other.Runtime), RuntimeWhy: cmp.Or(w.RuntimeWhy, other.RuntimeWhy),
		LogLevels: over(w.LogLevels, other.LogLevels), Limits: over(w.Limits, other.Limits),
		Images: Images{
			Postgres: cmp.Or(w.Images.Postgres, other.Images.Postgres), Kafka: cmp.Or(w.Images.Kafka, other.Images.Kafka),
			Base: cmp.Or(w.Images.Base, other.Images.Base),
		},
	}
}

func over[V any](first, second map[string]V) map[string]V {
	if len(first)+len(second) == 0 {
		return nil
	}
	both := maps.Clone(second)
	if both == nil {
		both = map[string]V{}
	}
	maps.Copy(both, first)
	return both
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
	faults = append(faults, w.applyLogLevels(&next)...)
	faults = append(faults, w.applyLimits(&next)...)
	next.Images = Wish{Images: w.Images}.Over(Wish{Images: s.Images}).Images
	if w.Seed != 0 {
		next.Seed = w.Seed
	}
	return next, errors.Join(faults...)
}

func (w Wish) applyLogLevels(next *Spec) (faults []error) {
	if w.LogLevel != "" {
		faults = append(faults, checkLogLevel("log level", w.LogLevel))
		next.LogLevel = w.LogLevel
	}
	next.LogLevels = maps.Clone(next.LogLevels)
	for _, name := range slices.Sorted(maps.Keys(w.LogLevels)) {
		level := w.LogLevels[name]
		switch _, known := role.ByName(name); {
		case !known:
			faults = append(faults, fmt.Errorf("log level of %q: no such worker type; there are %s", name, strings.Join(RoleNames(), ", ")))
		case level == "":
			delete(next.LogLevels, name)
		default:
			faults = append(faults, checkLogLevel("log level of "+name, level))
			if next.LogLevels == nil {
				next.LogLevels = map[string]string{}
			}
			next.LogLevels[name] = level
		}
	}
	return faults
}

func checkLogLevel(what, level string) error {
	if !slices.Contains(LogLevels(), level) {
		return fmt.Errorf("%s %q: it is debug, info, warn or error", what, level)
	}
	return nil
}

// LogLevels are the levels at which workers can log.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// Limited are the types of nodes that can have limits: the worker types, and the servers.
func Limited() []string { return append([]string{string(PostgreSQL), string(Kafka)}, RoleNames()...) }

func (w Wish) applyLimits(next *Spec) (faults []error) {
	next.Limits = maps.Clone(next.Limits)
	for _, name := range slices.Sorted(maps.Keys(w.Limits)) {
		limit := w.Limits[name]
		switch {
		case !slices.Contains(Limited(), name):
			faults = append(faults, fmt.Errorf("limits of %q: no such type of nodes; there are %s", name, strings.Join(Limited(), ", ")))
			continue
		case limit.MemoryBytes != 0 && limit.MemoryBytes < MinMemory:
			faults = append(faults, fmt.Errorf("memory of %s %d bytes: it is at least %d MiB", name, limit.MemoryBytes, MinMemory>>20))
		case limit.CPUs != 0 && (limit.CPUs < MinCPUs || limit.CPUs > MaxCPUs):
			faults = append(faults, fmt.Errorf("cpus of %s %v: it is %v to %d", name, limit.CPUs, MinCPUs, MaxCPUs))
		}
		if limit == (Limit{}) {
			delete(next.Limits, name)
			continue
		}
		if next.Limits == nil {
			next.Limits = map[string]Limit{}
		}
		next.Limits[name] = limit
	}
	return faults
}

// applyFixed takes over what cannot change once there is data.
func (w Wish) applyFixed(next *Spec, stored bool) (faults []error) {
	if w.Runtime != "" && w.Runtime != Auto && w.Runtime != next.Runtime {
		switch {
		case w.Runtime != Processes && w.Runtime != Containers:
			faults = append(faults, fmt.Errorf("runtime %q: it is %s, %s or %s", w.Runtime, Auto, Processes, Containers))
		case stored:
			faults = append(faults, &FixedError{Sandbox: next.Name, What: "runtime", Is: next.Runtime})
		}
		next.Runtime = w.Runtime
	}
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
		if key = purpose; !listens.MatchString(key) {
			return "", fmt.Errorf("port %q: it is %s, or NODE/PURPOSE as cordage status shows them, such as database-1/monitor", purpose,
				strings.Join(slices.Sorted(maps.Keys(Purposes())), ", "))
		}
	}
	if number < 0 || number > 65535 {
		return "", fmt.Errorf("port %s=%d: a port is 1 to 65535, or 0 for a free one", purpose, number)
	}
	return key, nil
}

// listens are the ports of all nodes that there can be, as NODE/PURPOSE.
var listens = regexp.MustCompile( //nolint:gochecknoglobals // a constant
	`^(postgres/sql|kafka-[1-9][0-9]*/(broker|controller)|(` + strings.Join(RoleNames(), "|") + `)-[1-9][0-9]*/monitor|(` +
		role.REST.Name + `|` + role.Balancer.Name + `)-[1-9][0-9]*/rest)$`)

// namePattern keeps names usable as folder, label and part of a socket's path.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`) //nolint:gochecknoglobals // a constant

// CheckName checks a sandbox's name.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("sandbox name %q: it is 1 to 32 lower-case letters, digits and hyphens, no hyphen first or last", name)
	}
	return nil
}
