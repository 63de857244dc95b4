package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/sandbox/probe"
	"github.com/cordage-sandbox/cordage/workers/bootstrap"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
	"github.com/cordage-sandbox/cordage/workers/telemetry"
)

// realCluster speaks to PostgreSQL, Kafka and the workers.
type realCluster struct {
	telemetry *telemetry.Telemetry
	http      *http.Client // of the workers' monitors
}

// superuser of PostgreSQL, and a database that every server has.
const (
	superuser     = "postgres"
	adminDatabase = "postgres"
)

// poolSize of the connections that workers get to the config database.
const poolSize = 5

func (realCluster) Databases(ctx context.Context, l layout, progress func(string)) (access, error) {
	number := l.ports[nodePostgres+"/"+portSQL]
	admin := store.JDBC{Host: port.Host, Port: number, Database: adminDatabase}
	host, inside, err := splitAddress(l.address(nodePostgres, portSQL))
	if err != nil {
		return access{}, err
	}
	found, err := bootstrap.Databases(ctx, bootstrap.Config{
		Admin: store.Connection{JDBCURL: admin.String(), User: superuser, Password: l.secrets.Postgres},
		Host:  host, Port: inside, Separate: l.spec.Databases == sandbox.Separate,
		Secrets:          role.SecretsBoot{Passphrase: l.secrets.Passphrase, Salt: l.secrets.Salt},
		MasterPassphrase: l.secrets.MasterPassphrase, MasterSalt: l.secrets.MasterSalt,
		AdminLogin: l.secrets.AdminLogin, AdminPassword: l.secrets.AdminPassword,
		Passwords: l.secrets.Databases, Now: time.Now(),
	}, progress)
	if err != nil {
		return access{}, err
	}
	a := access{config: databaseBoot(found.Config), reader: databaseBoot(found.ConfigReader), databases: map[string]sandbox.Database{}}
	for name, c := range map[string]store.Connection{"config": found.Config, "rbac": found.RBAC, "crypto": found.Crypto, "nodes": found.VirtualNodes} {
		url, err := store.ParseJDBC(c.JDBCURL)
		if err != nil {
			return access{}, fmt.Errorf("connection of %s: %w", name, err)
		}
		a.databases[name] = sandbox.Database{Database: url.Database, Schema: strings.ToLower(url.Schema)}
	}
	return a, nil
}

func splitAddress(address string) (host string, number int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		number, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("address %q: %w", address, err)
	}
	return host, number, nil
}

func databaseBoot(c store.Connection) role.DatabaseBoot {
	return role.DatabaseBoot{URL: c.JDBCURL, User: c.User, Password: c.Password, PoolSize: poolSize}
}

// busConfig is the supervisor's own access to the bus.
func (r realCluster) busConfig(l layout) bus.Config {
	return bus.Config{
		Brokers: l.brokers(), Node: "supervisor", Chance: clock.NewChance(l.spec.Seed),
		Telemetry: r.telemetry,
	}
}

func (r realCluster) Topics(ctx context.Context, l layout) error {
	return bootstrap.Topics(ctx, r.busConfig(l), l.spec.Partitions, int16(len(brokerNames(l.spec))))
}

func (r realCluster) PublishClock(ctx context.Context, l layout, c clock.Setting) (err error) {
	b, err := bus.Open(ctx, r.busConfig(l))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	p, err := b.NewPublisher(ctx, "clock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return p.Publish(ctx, bus.Message{
		Topic: record.TopicClock, Key: record.ClockKey, Value: record.Clock{Setting: c, Timestamp: time.Now().UTC()},
	})
}

// ClockSeen reads the version from the worker's /status.
func (r realCluster) ClockSeen(ctx context.Context, n sandbox.Node) (int64, error) {
	var status struct {
		Clock struct {
			Version int64 `json:"version"`
		} `json:"clock"`
	}
	if _, err := getStatus(ctx, r.http, n.Ports[portMonitor], &status); err != nil {
		return 0, err
	}
	return status.Clock.Version, nil
}

func (r realCluster) Ready(spec sandbox.NodeSpec) probe.Probe {
	switch spec.Kind {
	case sandbox.PostgreSQL:
		return probe.PostgreSQL{
			Port: spec.Ports[portSQL], User: superuser, Password: string(spec.Files[filePassword]), Database: adminDatabase,
		}
	case sandbox.Kafka:
		return probe.Kafka{Port: spec.Ports[portBroker]}
	default:
		return workerProbe{r.http, spec.Ports[portMonitor]}
	}
}

func (realCluster) Front(l layout) probe.Probe {
	return probe.HTTP{URL: l.endpoints().REST + "/hello/getprotocolversion", TLS: l.secrets.trust()}
}

// workerProbe is ready when a worker has components and all of them are UP.
type workerProbe struct {
	http *http.Client
	port int
}

func (p workerProbe) String() string {
	return fmt.Sprintf("http://%s/status to be UP", port.Address(p.port))
}

func (p workerProbe) Ask(ctx context.Context) error {
	var body map[string]json.RawMessage
	code, err := getStatus(ctx, p.http, p.port, &body)
	if err != nil {
		return err
	}
	var bad []string
	components := 0
	for name, text := range body {
		var c telemetry.ComponentStatus
		if json.Unmarshal(text, &c) != nil || c.State == "" {
			continue // not a component: the clock, the node's name
		}
		components++
		if c.State != telemetry.Up {
			bad = append(bad, fmt.Sprintf("%s is %s: %s", name, c.State, c.Reason))
		}
	}
	slices.Sort(bad)
	switch {
	case len(bad) > 0:
		return errors.New(strings.Join(bad, "; "))
	case code != http.StatusOK:
		return fmt.Errorf("/status answers %d", code)
	case components == 0:
		return errors.New("it has no components yet")
	}
	return nil
}

// maxStatus bounds a worker's /status, in bytes.
const maxStatus = 1 << 20

// getStatus reads a worker's /status, whatever its code.
func getStatus(ctx context.Context, client *http.Client, number int, into any) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+port.Address(number)+"/status", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus)) // to its end, so that the connection can be used again
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return resp.StatusCode, fmt.Errorf("read /status: %w", err)
	}
	return resp.StatusCode, nil
}

// newRealCluster makes the supervisor's own telemetry: what it does on the bus is reported as errors of its own.
func newRealCluster(ctx context.Context, name string) (realCluster, error) {
	tel, _, err := telemetry.New(ctx, telemetry.Config{Role: "supervisor", Node: "supervisor", Sandbox: name, LogTo: io.Discard})
	transport := &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute} // no proxy: it is this machine
	return realCluster{tel, &http.Client{Transport: transport}}, err
}
