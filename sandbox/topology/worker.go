package topology

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// upstream is an entry of "upstreams" in the load balancer's /status.
type upstream struct {
	Node     string `json:"node"`
	Ready    bool   `json:"ready"`
	InFlight int    `json:"inFlight"` // requests under way
	Reason   string `json:"reason"`
}

// workersPart asks workers what they count: records by topic, statements by user, requests by upstream; and the load
// balancer which upstreams it has.
type workersPart struct {
	found map[string]counted // by node; of a node that does not answer, what it told last
	http  *http.Client
	rates rates
}

// counted is what a worker has told.
type counted struct {
	fresh     bool // at the latest look
	instance  string
	upstreams []upstream
	counters  []counter
}

// counter is one series.
type counter struct {
	series
	rate float64
}

func newWorkersPart() *workersPart {
	return &workersPart{
		found: map[string]counted{},
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 5 * time.Second}}, // no proxy: it is this machine
	}
}

func (p *workersPart) close() { p.http.CloseIdleConnections() }

// askLimit bounds how long one worker may take to answer.
const askLimit = 900 * time.Millisecond

func (p *workersPart) look(ctx context.Context, s Source) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var mu sync.Mutex
	var g sync.WaitGroup
	told := map[string]counted{}
	var faults []string
	for _, n := range s.Nodes {
		if n.Kind != sandbox.Worker && n.Role == "" || n.Ports["monitor"] == 0 || !n.State.Runs() || n.State == sandbox.Paused {
			continue
		}
		g.Go(func() {
			c, err := p.ask(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				told[n.Name] = c
			} else if n.State == sandbox.Ready {
				faults = append(faults, fmt.Sprintf("%s: %v", n.Name, err))
			}
		})
	}
	g.Wait()
	at := time.Now()
	for name, c := range told {
		for i := range c.counters {
			c.counters[i].rate = p.rates.next(name+" "+c.instance+" "+c.counters[i].key(), c.counters[i].value, at)
		}
	}
	p.rates.keepOnly(at)
	keep := func() {
		for name, c := range p.found {
			c.fresh = false
			p.found[name] = c
		}
		for name, c := range told {
			c.fresh = true
			p.found[name] = c
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return keep, fmt.Errorf("%s", faults[0])
	}
	return keep, nil
}

func (p *workersPart) ask(ctx context.Context, n sandbox.Node) (counted, error) {
	c := counted{instance: n.Instance}
	address := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports["monitor"]))
	err := p.get(ctx, address+"/metrics", func(body io.Reader) error {
		scan := bufio.NewScanner(body)
		scan.Buffer(nil, maxLine)
		for scan.Scan() {
			if s, ok := parseSeries(scan.Bytes()); ok {
				c.counters = append(c.counters, counter{series: s})
			}
		}
		return scan.Err()
	})
	if err != nil || n.Role != "lb" {
		return c, err
	}
	err = p.get(ctx, address+"/status", func(body io.Reader) error {
		var status struct {
			Upstreams []upstream `json:"upstreams"`
		}
		defer func() { c.upstreams = status.Upstreams }()
		return json.NewDecoder(body).Decode(&status)
	})
	return c, err
}

// Bounds of what a worker may tell, in bytes.
const (
	maxAnswer = 8 << 20
	maxLine   = 64 << 10
)

func (p *workersPart) get(ctx context.Context, url string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxAnswer)
	if err := read(body); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body) // to its end, so that the connection can be used again
	return err
}

// add adds to the edges what workers tell: edges of their own, and numbers to those that Kafka and PostgreSQL tell.
func (p *workersPart) add(edges []sandbox.Edge, s Source) []sandbox.Edge {
	for _, n := range s.Nodes {
		c, ok := p.found[n.Name]
		if !ok {
			continue
		}
		own := c.edges(n.Name, s)
		for _, e := range own {
			e.Up = e.Up && c.fresh
			i := slices.IndexFunc(edges, func(o sandbox.Edge) bool {
				return o.From == e.From && o.Kind == e.Kind && o.What == e.What && (e.Kind != sandbox.EdgeRoutes || o.To == e.To)
			})
			switch {
			case i >= 0:
				edges[i].Total += e.Total
				edges[i].Rate += e.Rate
			case e.Kind == sandbox.EdgeReads || e.Kind == sandbox.EdgeProduces || e.Kind == sandbox.EdgeRoutes:
				edges = append(edges, e)
			}
		}
	}
	return edges
}

// Patterns of the bus that read as members of a group.
func inGroup(pattern string) bool { return pattern == "DURABLE" || pattern == "RPC_RESPONDER" }

// edges are the edges that a worker's counters tell of.
func (c counted) edges(node string, s Source) []sandbox.Edge {
	var list []sandbox.Edge
	to := func(kind sandbox.EdgeKind, to, what string) *sandbox.Edge {
		i := slices.IndexFunc(list, func(e sandbox.Edge) bool { return e.Kind == kind && e.To == to && e.What == what })
		if i < 0 {
			i = len(list)
			list = append(list, sandbox.Edge{From: node, To: to, Kind: kind, What: what, Up: true})
		}
		return &list[i]
	}
	for _, u := range c.upstreams {
		e := to(sandbox.EdgeRoutes, u.Node, "/api/v1")
		e.Count, e.Up, e.Note = u.InFlight, u.Ready, u.Reason
	}
	for _, one := range c.counters {
		pattern, topic := one.labels["messagepattern_type"], one.labels["topic"]
		kind := sandbox.EdgeReads
		if inGroup(pattern) {
			kind = sandbox.EdgeConsumes
		}
		var e *sandbox.Edge
		switch one.name {
		case "cordage_bus_readers":
			if one.value > 0 && kind == sandbox.EdgeReads {
				to(kind, s.Names.Kafka, topic).Count += int(one.value)
			}
			continue
		case "cordage_bus_read_records_total":
			if kind == sandbox.EdgeReads && !slices.ContainsFunc(c.counters, func(o counter) bool {
				return o.name == "cordage_bus_readers" && o.labels["topic"] == topic && !inGroup(o.labels["messagepattern_type"]) && o.value > 0
			}) {
				continue // it reads no more
			}
			e = to(kind, s.Names.Kafka, topic)
		case "cordage_bus_sent_records_total":
			e = to(sandbox.EdgeProduces, s.Names.Kafka, topic)
		case "cordage_store_statements_total":
			e = to(sandbox.EdgeQueries, s.Names.PostgreSQL, logical(one.labels["user"]))
		case "cordage_lb_requests_total":
			if !slices.ContainsFunc(c.upstreams, func(u upstream) bool { return u.Node == one.labels["upstream"] }) {
				continue // it is gone
			}
			e = to(sandbox.EdgeRoutes, one.labels["upstream"], "/api/v1")
		default:
			continue
		}
		e.Total += int64(one.value)
		e.Rate += one.rate
	}
	return list
}
