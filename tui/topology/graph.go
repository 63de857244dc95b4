package topology

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// The columns of the graph, in the order in which a request passes them.
const (
	entry   = iota // the load balancer
	api            // workers that it routes to
	bus            // Kafka: brokers and topics
	inner          // the other workers
	store          // PostgreSQL: the server and its logical databases
	columns        // how many
)

// balancer and restRole are the worker types that have columns of their own.
const (
	balancer = "lb"
	restRole = "rest"
)

// id names an item for as long as it exists: node:rest-1, topic:uniqueness.check, database:config.
type id string

func nodeID(name string) id     { return id("node:" + name) }
func topicID(name string) id    { return id("topic:" + name) }
func databaseID(name string) id { return id("database:" + name) }

func (i id) node() (string, bool)     { return strings.CutPrefix(string(i), "node:") }
func (i id) topic() (string, bool)    { return strings.CutPrefix(string(i), "topic:") }
func (i id) database() (string, bool) { return strings.CutPrefix(string(i), "database:") }

// item is something that is drawn in a column and can be selected.
type item struct {
	id    id
	title string
	node  *sandbox.Node // of a node
	rate  float64       // of a topic or database: records or statements a second
	lag   int64         // of a topic
	count int           // of a database: sessions
	rank  int           // of a topic: what is most worth seeing comes first
	group int           // of a topic: what is read by the same workers stands together
}

// link is an observed edge between items of neighbouring columns.
type link struct {
	left, right id
	edge        sandbox.Edge
	toLeft      bool // the flow is from right to left
	down        bool // the node is not ready: this is what was seen last
}

// graph is what there is to draw.
type graph struct {
	columns [columns][]item
	links   []link
	faults  []string
	hidden  int // topics that nobody uses and that are not shown
}

// column is where a node stands.
func column(n sandbox.Node) int {
	switch {
	case n.Kind == sandbox.Kafka:
		return bus
	case n.Kind == sandbox.PostgreSQL:
		return store
	case n.Role == balancer:
		return entry
	case n.Role == restRole:
		return api
	}
	return inner
}

// build makes the graph of nodes (which are fresher than the topology) and what is observed. Topics that nobody uses are
// left out unless all is set. Only titles that contain filter are kept, and the nodes.
func build(nodes []sandbox.Node, t sandbox.Topology, old map[string][]sandbox.Edge, all bool, filter string) graph {
	g := graph{faults: t.Faults}
	at := map[string]int{}
	state := map[string]sandbox.State{}
	order := map[string]int{}
	for i := range nodes {
		n := &nodes[i]
		at[n.Name], state[n.Name], order[n.Name] = column(*n), n.State, i
		g.columns[at[n.Name]] = append(g.columns[at[n.Name]], item{id: nodeID(n.Name), title: n.Name, node: n})
	}
	topics := map[string]*item{}
	for _, info := range t.Topics {
		topics[info.Name] = &item{id: topicID(info.Name), title: info.Name, rate: info.Rate, group: len(nodes), rank: unusedTopic}
		if info.Records > 0 {
			topics[info.Name].rank = keptTopic
		}
	}
	databases := map[string]*item{}
	for _, d := range t.Databases {
		databases[d.Name] = &item{id: databaseID(d.Name), title: d.Name, count: d.Sessions}
	}
	for _, e := range edges(t.Edges, nodes, old) {
		g.connect(e, at, order, topics, databases, state)
	}
	g.addTopics(topics, all, filter)
	g.addDatabases(databases, filter)
	return g
}

// Ranks of topics.
const (
	workTopic   = iota // read by a consumer group
	readTopic          // read or written by a worker
	keptTopic          // has records
	unusedTopic        //
)

// edges are the observed ones, and for nodes that are not ready, which nobody can see talk, those seen last.
func edges(seen []sandbox.Edge, nodes []sandbox.Node, old map[string][]sandbox.Edge) []sandbox.Edge {
	has := map[string]bool{}
	for _, e := range seen {
		has[e.From] = true
	}
	list := slices.Clone(seen)
	for _, n := range nodes {
		if n.State != sandbox.Ready && !has[n.Name] {
			list = append(list, old[n.Name]...)
		}
	}
	return list
}

// connect adds an edge and what it leads to.
func (g *graph) connect(e sandbox.Edge, at, order map[string]int, topics, databases map[string]*item, state map[string]sandbox.State) {
	from, known := at[e.From]
	if !known {
		return
	}
	l := link{edge: e, down: state[e.From] != sandbox.Ready || !e.Up}
	switch e.Kind {
	case sandbox.EdgeRoutes:
		if _, ok := at[e.To]; !ok {
			return
		}
		l.left, l.right, l.down = nodeID(e.From), nodeID(e.To), l.down || state[e.To] != sandbox.Ready
	case sandbox.EdgeQueries:
		name := database(e.What)
		d := databases[name]
		if d == nil {
			d = &item{id: databaseID(name), title: name}
			databases[name] = d
		}
		d.rate += e.Rate
		if d.count == 0 {
			d.count = e.Count
		}
		l.left, l.right = nodeID(e.From), d.id
	default:
		t := topics[e.What]
		if t == nil {
			t = &item{id: topicID(e.What), title: e.What, group: len(order)}
			topics[e.What] = t
		}
		consumes := e.Kind == sandbox.EdgeConsumes
		if t.rank = min(t.rank, readTopic); consumes {
			t.rank = workTopic
			t.group = min(t.group, order[e.From])
			t.lag += e.Lag
		}
		l.left, l.right, l.toLeft = t.id, nodeID(e.From), e.Kind == sandbox.EdgeProduces
		if from == api || from == entry {
			l.left, l.right, l.toLeft = nodeID(e.From), t.id, e.Kind != sandbox.EdgeProduces
		}
	}
	g.links = append(g.links, l)
}

// database is the logical database of what an edge tells, which may say more in parentheses.
func database(what string) string {
	name, _, _ := strings.Cut(what, " (")
	return name
}

func (g *graph) addTopics(topics map[string]*item, all bool, filter string) {
	var list []item
	for _, t := range topics {
		switch {
		case filter != "" && !strings.Contains(strings.ToLower(t.title), filter):
		case t.rank == unusedTopic && !all && filter == "":
			g.hidden++
		default:
			list = append(list, *t)
		}
	}
	slices.SortFunc(list, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.group, b.group), cmp.Compare(a.title, b.title))
	})
	g.columns[bus] = append(g.columns[bus], list...)
}

func (g *graph) addDatabases(databases map[string]*item, filter string) {
	var list []item
	for _, d := range databases {
		if filter == "" || strings.Contains(strings.ToLower(d.title), filter) {
			list = append(list, *d)
		}
	}
	slices.SortFunc(list, func(a, b item) int { // those of the cluster before those of virtual nodes
		return cmp.Or(cmp.Compare(strings.Count(a.title, "/"), strings.Count(b.title, "/")), cmp.Compare(a.title, b.title))
	})
	g.columns[store] = append(g.columns[store], list...)
}

// find is the place of an item.
func (g *graph) find(what id) (col, row int, ok bool) {
	for c := range g.columns {
		for r := range g.columns[c] {
			if g.columns[c][r].id == what {
				return c, r, true
			}
		}
	}
	return 0, 0, false
}

// of lists the links of an item, what it takes before what it gives, and busy ones first.
func (g *graph) of(what id) (list []link) {
	for _, l := range g.links {
		if l.left == what || l.right == what || l.touches(what) {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b link) int {
		return cmp.Or(cmp.Compare(kindRank(a.edge.Kind), kindRank(b.edge.Kind)), cmp.Compare(b.edge.Lag, a.edge.Lag), cmp.Compare(a.edge.What, b.edge.What), cmp.Compare(a.edge.From, b.edge.From))
	})
	return list
}

// flows tells that messages in flight are drawn: records on their way, or a database that is at work. A worker asks its
// database now and then also when nothing happens, a dozen statements at once, which is not worth a screen that never rests.
func (l link) flows() bool {
	const atWork = 10 // statements a second
	if l.down || l.edge.Kind == sandbox.EdgeQueries && l.edge.Rate < atWork {
		return false
	}
	return l.edge.Rate > 0
}

// touches tells that a server node carries the link: Kafka its topics', PostgreSQL its databases'.
func (l link) touches(what id) bool {
	name, ok := what.node()
	return ok && l.edge.To == name
}

func kindRank(k sandbox.EdgeKind) int {
	return slices.Index([]sandbox.EdgeKind{sandbox.EdgeRoutes, sandbox.EdgeConsumes, sandbox.EdgeProduces, sandbox.EdgeQueries, sandbox.EdgeReads}, k)
}

// other is the end of the link that is not what.
func (l link) other(what id) id {
	if l.left == what {
		return l.right
	}
	return l.left
}
