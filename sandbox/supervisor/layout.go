package supervisor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/port"
	"github.com/cordage-sandbox/cordage/workers/role"
)

// Names of nodes and tasks.
const (
	nodePostgres  = "postgres"
	nodeKafka     = "kafka-1" // the first broker
	taskPrepare   = "prepare"
	taskDatabases = "databases"
	taskTopics    = "topics"
	taskFront     = "rest-api"
)

// Purposes of ports.
const (
	portSQL        = "sql"
	portBroker     = "broker"
	portController = "controller"
	portREST       = "rest"
	portMonitor    = "monitor"
	portTraces     = "supervisor/traces"
)

const (
	balancerRole = "lb"
	restRole     = "rest"
	kafkaRole    = "kafka" // no worker type; it names brokers as if it were one
)

// Stages of the stop: what is used is stopped after what uses it.
var stages = map[string]int{ //nolint:gochecknoglobals // a table of constants
	balancerRole: 5, restRole: 4, "crypto": 3, "database": 2, kafkaRole: 1, nodePostgres: 0,
}

// Base names of the files that nodes are given.
const (
	fileBoot     = "boot.json"
	filePassword = "password"
)

// portKeys lists the ports that a sandbox of this specification needs, as NODE/PURPOSE.
func portKeys(s sandbox.Spec) []string {
	keys := []string{nodePostgres + "/" + portSQL, portTraces}
	for _, name := range brokerNames(s) {
		keys = append(keys, name+"/"+portBroker)
	}
	keys = append(keys, nodeKafka+"/"+portController)
	for _, name := range workerNames(s) {
		keys = append(keys, workerPorts(name)...)
	}
	return keys
}

func workerPorts(node string) []string {
	keys := []string{node + "/" + portMonitor}
	if r := roleOf(node); r == restRole || r == balancerRole {
		keys = append(keys, node+"/"+portREST)
	}
	return keys
}

// workerNames lists the workers in the order of start.
func workerNames(s sandbox.Spec) (names []string) {
	for _, r := range role.All() {
		for i := range s.Replicas[r.Name] {
			names = append(names, fmt.Sprintf("%s-%d", r.Name, i+1))
		}
	}
	return names
}

// brokerNames lists the nodes of the Kafka cluster.
func brokerNames(s sandbox.Spec) (names []string) {
	for i := range max(1, s.Brokers) {
		names = append(names, fmt.Sprintf("%s-%d", kafkaRole, i+1))
	}
	return names
}

// roleOf is the worker type of a worker's name.
func roleOf(node string) string {
	r, _, _ := strings.Cut(node, "-")
	return r
}

// layout makes the units of a sandbox. It is a pure function of what the sandbox is to be.
type layout struct {
	spec    sandbox.Spec
	ports   map[string]int
	secrets Secrets
	routes  sandbox.Routes // between the nodes
	access  access         // what the databases task found; zero before it is done
}

// access is how workers reach the config database, and where the logical databases lie.
type access struct {
	config, reader role.DatabaseBoot
	databases      map[string]sandbox.Database
}

func (l layout) units() []unit {
	units := []unit{
		{name: taskPrepare, about: "have PostgreSQL, Kafka and Java at hand"},
		{
			name: nodePostgres, about: "start PostgreSQL", after: []string{taskPrepare}, stage: stages[nodePostgres],
			spec: &sandbox.NodeSpec{
				Name: nodePostgres, Kind: sandbox.PostgreSQL, Ports: l.portsOf(nodePostgres),
				Files: map[string][]byte{filePassword: []byte(l.secrets.Postgres)},
			},
		},
	}
	brokers := brokerNames(l.spec)
	for _, name := range brokers {
		units = append(units, l.broker(name, brokers))
	}
	units = append(units, unit{name: taskDatabases, about: "make the cluster's databases, users and tables", after: []string{nodePostgres}},
		unit{name: taskTopics, about: "make the topics and set the clock", after: brokers})
	front := unit{name: taskFront, about: "answer the REST API through the load balancer", after: []string{}}
	for i, name := range workerNames(l.spec) {
		units = append(units, l.worker(i, name))
		if r := roleOf(name); r == restRole || r == balancerRole {
			front.after = append(front.after, name)
		}
	}
	units = append(units, front)
	for _, u := range units {
		if u.spec != nil {
			limit := l.spec.Limits[cmp.Or(u.spec.Role, string(u.spec.Kind))]
			u.spec.MemoryLimit, u.spec.CPULimit = limit.MemoryBytes, limit.CPUs
		}
	}
	return units
}

// broker makes the unit of one node of the Kafka cluster. Only the first is a controller too: with several, Kafka 3.2 loses
// track of which one is active when it changes, and a broker that asks the wrong one hands out no producer ids any more.
func (l layout) broker(name string, all []string) unit {
	u := unit{
		name: name, about: "start Kafka", after: []string{taskPrepare}, stage: stages[kafkaRole],
		spec: &sandbox.NodeSpec{Name: name, Kind: sandbox.Kafka, Ports: l.portsOf(name), Peers: map[string]int{}},
	}
	for _, peer := range all {
		u.spec.Peers[peer] = l.ports[peer+"/"+portController]
	}
	if len(all) > 1 {
		u.about = "start broker " + name
	}
	return u
}

// worker makes the unit of one worker; index counts all workers of the sandbox.
func (l layout) worker(_ int, name string) unit {
	r, _ := role.ByName(roleOf(name))
	boot := role.Boot{
		Role: r.Name, Node: name, Sandbox: l.spec.Name, InstanceID: instanceID(name),
		Monitor: l.routes.Bind(l.ports[name+"/"+portMonitor]), LogLevel: cmp.Or(l.spec.LogLevels[r.Name], l.spec.LogLevel), Seed: l.spec.Seed,
		Traces: &role.TracesBoot{Endpoint: l.tracesAt(l.routes.Host().Reach), Token: l.secrets.TracesToken},
	}
	var after, needs []string
	if r.Grants.Has(role.Bus) {
		boot.Bus = &role.BusBoot{Brokers: l.bus()}
		after = append(after, taskTopics)
		if brokers := brokerNames(l.spec); len(brokers) == 1 { // of several, one may be away
			after = append(after, brokers...)
		}
	}
	if r.Grants.Has(role.Secrets) {
		boot.Secrets = &role.SecretsBoot{Passphrase: l.secrets.Passphrase, Salt: l.secrets.Salt}
	}
	if r.Grants.Has(role.ConfigDB) {
		boot.Database = new(l.access.config)
		after = append(after, nodePostgres, taskDatabases)
	}
	if r.Grants.Has(role.ConfigDBRead) {
		boot.Database = new(l.access.reader)
		after = append(after, nodePostgres, taskDatabases)
	}
	listener := role.RESTBoot{
		Listen:      l.routes.Bind(l.ports[name+"/"+portREST]),
		Certificate: l.secrets.REST.Certificate, Key: l.secrets.REST.Key,
	}
	if r.Grants.Has(role.RESTListener) {
		boot.REST = &listener
	}
	if r.Grants.Has(role.BalancerRoutes) {
		boot.Balancer = &role.BalancerBoot{RESTBoot: listener, CA: l.secrets.Authority.Certificate, Upstreams: l.upstreams()}
		after = append(after, taskPrepare)
		for _, up := range l.upstreams() {
			needs = append(needs, up.Node)
		}
	}
	return unit{
		name: name, about: "start the " + r.Name + " worker", after: after, needs: needs, stage: stages[r.Name],
		spec: &sandbox.NodeSpec{
			Name: name, Kind: sandbox.Worker, Role: r.Name, Ports: l.portsOf(name),
			Files: map[string][]byte{fileBoot: marshalBoot(boot)},
		},
	}
}

// address is where another node reaches a port of a node.
func (l layout) address(node, purpose string) string {
	return l.routes.Address(node, purpose, l.ports[node+"/"+purpose])
}

// tracesAt is where spans are received, by a name of the supervisor's host.
func (l layout) tracesAt(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(l.ports[portTraces]))
}

// bus are the addresses of the Kafka cluster as nodes reach it.
func (l layout) bus() (all []string) {
	for _, name := range brokerNames(l.spec) {
		all = append(all, l.address(name, portBroker))
	}
	return all
}

// brokers are the addresses of the Kafka cluster as people and the supervisor reach it.
func (l layout) brokers() (all []string) {
	for _, name := range brokerNames(l.spec) {
		all = append(all, port.Address(l.ports[name+"/"+portBroker]))
	}
	return all
}

func marshalBoot(b role.Boot) []byte {
	text, err := json.Marshal(b)
	if err != nil { // strings and numbers only; anything else is a mistake in this program
		panic(fmt.Sprintf("boot parameters of %s: %v", b.Node, err))
	}
	return text
}

func (l layout) upstreams() []role.Upstream {
	ups := []role.Upstream{}
	for _, name := range workerNames(l.spec) {
		if roleOf(name) == restRole {
			ups = append(ups, role.Upstream{
				Node: name, Address: l.address(name, portREST), Monitor: l.address(name, portMonitor),
			})
		}
	}
	return ups
}

// portsOf gives the ports of one node by purpose.
func (l layout) portsOf(node string) map[string]int {
	ports := map[string]int{}
	for key, number := range l.ports {
		if owner, purpose, _ := strings.Cut(key, "/"); owner == node {
			ports[purpose] = number
		}
	}
	return ports
}

// instanceID is unique among the sandbox's workers and stays the same for a name: 100 for each type, and its number.
func instanceID(name string) int {
	r, number, _ := strings.Cut(name, "-")
	n := 0
	_, _ = fmt.Sscanf(number, "%d", &n)
	return 100*(1+slices.Index(sandbox.RoleNames(), r)) + n
}

// nodeOfKey is the node of NODE/PURPOSE.
func nodeOfKey(key string) string {
	node, _, _ := strings.Cut(key, "/")
	return node
}

// endpoints are where the sandbox is reached.
func (l layout) endpoints() sandbox.Endpoints {
	return sandbox.Endpoints{
		REST:       "https://" + port.Address(l.ports["lb-1/"+portREST]) + "/api/v1",
		Kafka:      strings.Join(l.brokers(), ","),
		PostgreSQL: port.Address(l.ports[nodePostgres+"/"+portSQL]),
	}
}

// String keeps the secrets in a layout out of anything that prints it; fmt does not ask unexported fields themselves.
func (l layout) String() string { return "layout of sandbox " + l.spec.Name }

// GoString is String.
func (l layout) GoString() string { return l.String() }
