package role

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Boot is what a worker is given at start. It holds secrets, so it travels as a file that only the worker's user can
// read (cordage worker ROLE --boot FILE), never as arguments or environment. Fields outside the role's grants are nil.
type Boot struct {
	Role       string `json:"role"`
	Node       string `json:"node"`       // name of the node in the sandbox, such as database-1
	Sandbox    string `json:"sandbox"`    // name of the sandbox
	InstanceID int    `json:"instanceId"` // unique among the sandbox's workers; part of transactional ids
	Monitor    string `json:"monitor"`    // host:port of /isHealthy, /status and /metrics
	LogLevel   string `json:"logLevel"`   // debug, info (default), warn, error
	Seed       uint64 `json:"seed"`       // of chance that shapes behaviour; 0 is different each time

	Bus      *BusBoot      `json:"bus,omitempty"`
	Secrets  *SecretsBoot  `json:"secrets,omitempty"`
	Database *DatabaseBoot `json:"database,omitempty"` // with grant ConfigDB or ConfigDBRead
	REST     *RESTBoot     `json:"rest,omitempty"`
	Balancer *BalancerBoot `json:"balancer,omitempty"`
	Traces   *TracesBoot   `json:"traces,omitempty"` // nil: spans are not exported
}

// BusBoot says how to reach Kafka.
type BusBoot struct {
	Brokers         []string `json:"brokers"`         // host:port
	TopicPrefix     string   `json:"topicPrefix"`     // put verbatim before every topic name and group
	MaxMessageBytes int      `json:"maxMessageBytes"` // larger records are sent in chunks; 0 means 972,800, as in Corda 5.0
}

// SecretsBoot derives the key that encrypts secrets in the configuration.
type SecretsBoot struct {
	Passphrase string `json:"passphrase"`
	Salt       string `json:"salt"`
}

// DatabaseBoot is the connection to the config database.
type DatabaseBoot struct {
	URL      string `json:"url"` // jdbc:postgresql://HOST:PORT/DATABASE?currentSchema=CONFIG
	User     string `json:"user"`
	Password string `json:"password"`
	PoolSize int    `json:"poolSize"` // 0 means 5
}

// RESTBoot is the listener of the REST API.
type RESTBoot struct {
	Listen      string `json:"listen"`      // host:port
	Certificate string `json:"certificate"` // PEM chain
	Key         string `json:"key"`         // PEM, PKCS#8
}

// BalancerBoot is the load balancer before the rest workers. It does not end TLS for its clients with a certificate of
// its own: it serves the sandbox's certificate and speaks TLS to its upstreams, whose certificate it verifies with CA.
type BalancerBoot struct {
	RESTBoot
	CA        string     `json:"ca"`        // PEM of the sandbox's certificate authority
	Upstreams []Upstream `json:"upstreams"` // of all rest replicas; re-read from the boot file when it changes (SIGHUP)
}

// Upstream is one rest worker.
type Upstream struct {
	Node    string `json:"node"`
	Address string `json:"address"` // host:port of the REST API
	Monitor string `json:"monitor"` // host:port whose /status tells readiness
}

// TracesBoot says where spans go: OTLP over HTTP.
type TracesBoot struct {
	Endpoint string `json:"endpoint"` // host:port
	Token    string `json:"token"`    // sent as Authorization: Bearer
}

// maxBoot bounds a boot file, in bytes.
const maxBoot = 1 << 20

// ReadBoot reads a boot file.
func ReadBoot(path string) (Boot, error) {
	f, err := os.Open(path)
	if err != nil {
		return Boot{}, fmt.Errorf("read boot file: %w", err)
	}
	defer f.Close()
	var b Boot
	d := json.NewDecoder(io.LimitReader(f, maxBoot))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return Boot{}, fmt.Errorf("read boot file %s: %w", path, err)
	}
	if err := b.validate(); err != nil {
		return Boot{}, fmt.Errorf("boot file %s: %w", path, err)
	}
	return b, nil
}

// validate checks that a worker is given what its role grants, and no more.
func (b Boot) validate() error {
	r, ok := ByName(b.Role)
	if !ok {
		return fmt.Errorf("unknown worker type %q", b.Role)
	}
	var faults []error
	for _, part := range []struct {
		name    string
		present bool
		granted bool
	}{
		{"bus", b.Bus != nil, r.Grants.Has(Bus)},
		{"secrets", b.Secrets != nil, r.Grants.Has(Secrets)},
		{"database", b.Database != nil, r.Grants.Has(ConfigDB) || r.Grants.Has(ConfigDBRead)},
		{"rest", b.REST != nil, r.Grants.Has(RESTListener)},
		{"balancer", b.Balancer != nil, r.Grants.Has(BalancerRoutes)},
	} {
		switch {
		case part.present && !part.granted:
			faults = append(faults, fmt.Errorf("a %s worker must not be given %s", b.Role, part.name))
		case !part.present && part.granted:
			faults = append(faults, fmt.Errorf("a %s worker needs %s", b.Role, part.name))
		}
	}
	if b.Monitor == "" {
		faults = append(faults, errors.New("monitor address is missing"))
	}
	return errors.Join(faults...)
}
