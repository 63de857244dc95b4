// Package trace receives the spans that workers export and keeps the latest of them, so that one request can be
// followed hop by hop. It keeps a bounded number in memory and nothing on disk. Workers must not import it: they send
// spans over OTLP like to any collector.
package trace

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of a store. Zero fields mean the defaults.
type Limits struct {
	Traces int // most traces kept; default 2,000
	Spans  int // most spans kept in all; default 50,000
	Each   int // most spans of one trace; default 2,000
}

func (l Limits) orDefault() Limits {
	return Limits{Traces: cmp.Or(l.Traces, 2000), Spans: cmp.Or(l.Spans, 50_000), Each: cmp.Or(l.Each, 2000)}
}

// Span is one piece of work of one node.
type Span struct {
	ID         string            `json:"id"`               // 16 hex digits
	Parent     string            `json:"parent,omitempty"` // empty: the first of the trace
	Node       string            `json:"node"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"` // internal, server, client, producer, consumer
	Start      time.Time         `json:"start"`
	Took       time.Duration     `json:"tookNs"`
	Failed     bool              `json:"failed,omitempty"`
	Message    string            `json:"message,omitempty"` // of the failure
	Attributes map[string]string `json:"attributes,omitempty"`

	links []link
}

// link names a span of another trace for which, among others, this span's work is done.
type link struct{ trace, span string }

// Title is the span's name for people: of an HTTP request whose span is called by its method alone also the path.
//
// Source: OpenTelemetry, semantic conventions for HTTP and database spans.
func (s Span) Title() string {
	if path := s.Attributes["url.path"]; path != "" && !strings.Contains(s.Name, "/") {
		return s.Name + " " + path
	}
	return s.Name
}

// Summary is one line on a trace.
type Summary struct {
	ID     string        `json:"id"` // 32 hex digits
	Name   string        `json:"name"`
	Node   string        `json:"node"` // where it began
	Start  time.Time     `json:"start"`
	Took   time.Duration `json:"tookNs"` // from the first start to the last end
	Spans  int           `json:"spans"`
	Nodes  []string      `json:"nodes"`            // that took part, in the order in which they did
	Failed bool          `json:"failed,omitempty"` // it, or what a node was given to do for it; not what was mended within a node
}

// Trace is all that is known of one request. Work that was done for several requests at once, a batch, has a trace of its own
// with links to theirs; it is shown in each of them, below the span that it links to.
type Trace struct {
	Summary
	Tree []Hop `json:"tree"`
}

// Hop is a span with what followed from it, in the order of start.
type Hop struct {
	Span
	Next []Hop `json:"next,omitempty"`
}

// Store keeps the latest traces; safe for concurrent use.
type Store struct {
	limits  Limits
	mu      sync.Mutex
	traces  map[string][]Span
	order   []string            // ids by first arrival
	shared  map[string][]string // ids of traces that link to a trace
	spans   int
	dropped int64
}

// NewStore makes an empty store.
func NewStore(l Limits) *Store {
	return &Store{limits: l.orDefault(), traces: map[string][]Span{}, shared: map[string][]string{}}
}

// Add keeps a span of a trace. When the store is full, the oldest traces go.
func (s *Store) Add(trace string, span Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, known := s.traces[trace]
	if len(have) >= s.limits.Each {
		s.dropped++
		return
	}
	if !known {
		s.order = append(s.order, trace)
	}
	s.traces[trace] = append(have, span)
	s.spans++
	for _, l := range span.links {
		if l.trace != trace && !slices.Contains(s.shared[l.trace], trace) {
			s.shared[l.trace] = append(s.shared[l.trace], trace)
		}
	}
	for len(s.order) > 1 && (len(s.order) > s.limits.Traces || s.spans > s.limits.Spans) {
		s.forget(s.order[0])
		s.order = s.order[1:]
	}
}

func (s *Store) forget(trace string) {
	for _, span := range s.traces[trace] {
		for _, l := range span.links {
			rest := slices.DeleteFunc(s.shared[l.trace], func(id string) bool { return id == trace })
			if s.shared[l.trace] = rest; len(rest) == 0 {
				delete(s.shared, l.trace)
			}
		}
	}
	s.spans -= len(s.traces[trace])
	delete(s.traces, trace)
}

// whole gives the spans of a trace, and those of shared work below the spans that they link to.
func (s *Store) whole(id string) []Span {
	spans := slices.Clone(s.traces[id])
	for _, other := range s.shared[id] {
		for _, span := range s.traces[other] {
			for _, l := range span.links {
				if l.trace == id {
					span.Parent = l.span
				}
			}
			spans = append(spans, span)
		}
	}
	return spans
}

// isShown tells whether a trace's spans are shown in others.
func (s *Store) isShown(spans []Span) bool {
	return slices.ContainsFunc(spans, func(span Span) bool {
		return slices.ContainsFunc(span.links, func(l link) bool { return s.traces[l.trace] != nil })
	})
}

// Recent lists the latest traces, the latest first; at most limit, all if that is 0. Those that are shown in others are not listed.
func (s *Store) Recent(limit int) []Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Summary, 0, len(s.order))
	for id, spans := range s.traces {
		if !s.isShown(spans) {
			all = append(all, summarise(id, s.whole(id)))
		}
	}
	slices.SortFunc(all, func(a, b Summary) int { return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(a.ID, b.ID)) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all
}

// Find gives the trace whose id begins with prefix; the second result is false if none or several do.
func (s *Store) Find(prefix string) (Trace, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found string
	for id := range s.traces {
		if id == prefix {
			found = id
			break
		}
		if len(prefix) >= 4 && len(prefix) < len(id) && id[:len(prefix)] == prefix {
			if found != "" {
				return Trace{}, false
			}
			found = id
		}
	}
	if found == "" {
		return Trace{}, false
	}
	spans := s.whole(found)
	return Trace{Summary: summarise(found, spans), Tree: tree(spans)}, true
}

func summarise(id string, spans []Span) Summary {
	slices.SortFunc(spans, byStart)
	sum := Summary{ID: id, Spans: len(spans), Nodes: []string{}}
	var end time.Time
	for i, sp := range spans {
		if i == 0 {
			sum.Name, sum.Node, sum.Start = sp.Title(), sp.Node, sp.Start
		}
		if last := sp.Start.Add(sp.Took); last.After(end) {
			end = last
		}
		if !slices.Contains(sum.Nodes, sp.Node) {
			sum.Nodes = append(sum.Nodes, sp.Node)
		}
		sum.Failed = sum.Failed || failed(sp)
	}
	sum.Took = end.Sub(sum.Start)
	return sum
}

// failed tells of a span whether its failure is one of the request: of what began it, or of what a node was given to do. Within
// a node a failure may be mended, as a transaction that lost a race is by the next attempt.
func failed(s Span) bool {
	return s.Failed && (s.Parent == "" || s.Kind == "server" || s.Kind == "consumer")
}

func byStart(a, b Span) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) }

// tree ties spans to their parents. A span whose parent is not known (not yet exported, or dropped) stands at the top.
// Hostile parents that form a ring are not shown: nothing at the top leads to them.
func tree(spans []Span) []Hop {
	slices.SortFunc(spans, byStart)
	known := map[string]bool{}
	children := map[string][]Span{}
	for _, s := range spans {
		known[s.ID] = true
	}
	var tops []Span
	for _, s := range spans {
		if s.Parent == "" || !known[s.Parent] {
			tops = append(tops, s)
		} else {
			children[s.Parent] = append(children[s.Parent], s)
		}
	}
	return hops(tops, children, map[string]bool{})
}

func hops(spans []Span, children map[string][]Span, seen map[string]bool) []Hop {
	list := []Hop{}
	for _, s := range spans {
		if seen[s.ID] {
			continue // two spans of one id
		}
		seen[s.ID] = true
		list = append(list, Hop{Span: s, Next: hops(children[s.ID], children, seen)})
	}
	return list
}
