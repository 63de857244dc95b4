// Package role says which worker types there are, what each is granted, what each is given at start, and what a worker
// is. It is the contract between whoever starts workers (the supervisor) and the workers; it imports no worker.
package role

import (
	"context"
	"slices"
)

// Grant is one thing that a worker is given at start. A worker gets what its role names, and nothing else.
type Grant uint

const (
	Bus            Grant = 1 << iota // brokers of Kafka
	Secrets                          // passphrase and salt that decrypt configuration secrets
	ConfigDB                         // the config database, read and write
	ConfigDBRead                     // the config database's connection rows, read only
	RESTListener                     // address, certificate and key of the REST API
	BalancerRoutes                   // address of the load balancer and its upstreams
)

// Has tells whether all of want is granted.
func (g Grant) Has(want Grant) bool { return g&want == want }

// Role is a worker type.
type Role struct {
	Name   string // as on the command line: cordage worker NAME
	Metric string // Corda's name of the worker type in logs and metrics
	Grants Grant
	About  string // one line for people
}

// The worker types that do their real job.
var ( //nolint:gochecknoglobals // a table of constants
	Balancer = Role{"lb", "LoadBalancer", BalancerRoutes, "spreads REST requests over the healthy rest workers"}
	Crypto   = Role{"crypto", "CryptoWorker", Bus | Secrets | ConfigDBRead, "keeps wrapping keys and signing keys"}
	Database = Role{"database", "DBWorker", Bus | Secrets | ConfigDB, "keeps CPIs, virtual nodes and users; checks uniqueness; brings the bus in line with the database"}
	REST     = Role{"rest", "RestWorker", Bus | RESTListener, "serves the REST API"}
)

// All lists the worker types in the order in which they start.
func All() []Role { return []Role{Database, Crypto, REST, Balancer} }

// ByName finds a worker type.
func ByName(name string) (Role, bool) {
	i := slices.IndexFunc(All(), func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return All()[i], true
}

// Worker is a running worker type.
type Worker interface {
	// Run works until ctx ends, finishes the record in hand, and returns nil. It calls ready once, when it can take
	// work. Any other return is a failure; the supervisor starts the worker again.
	Run(ctx context.Context, ready func()) error
}

// Informer is a Worker with more to show in /status than its components.
type Informer interface {
	// Info gives members to add to /status. It is called at any time, from any goroutine.
	Info() map[string]any
}
