package messages

import (
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// How much is kept, and how much comes first.
const (
	kept      = 2000
	keptBytes = 12 << 20 // of keys and values
	firstTail = 200
)

// arrived is what has come, and which of it is seen. A message is looked through once when it comes, and again only when
// the text that is looked for changes.
type arrived struct {
	all     []*sandbox.Message // in the order in which they came, at most kept
	seen    []*sandbox.Message // those that have the text
	held    []*sandbox.Message // that came during a pause, at most kept
	text    string             // in lower case
	trace   string             // only the messages of this request are seen; empty: all
	paused  bool
	dropped int // messages that were too many for the stream
}

// take takes a batch; when the stream begins anew it is all there is.
func (a *arrived) take(batch screen.FeedMsg[sandbox.Message]) {
	a.dropped += batch.Dropped
	if batch.Opened {
		a.held = nil
		if !a.paused {
			a.all, a.seen = nil, nil
		}
	}
	for i := range batch.Items {
		m := &batch.Items[i]
		a.dropped += m.Dropped
		switch {
		case m.Topic == "": // it only tells what was lost
		case a.paused:
			a.held = append(a.held, m)
		default:
			a.add(m)
		}
	}
	a.held = a.held[tooMany(a.held):]
	a.forget()
}

func (a *arrived) add(m *sandbox.Message) {
	a.all = append(a.all, m)
	if a.lets(m) {
		a.seen = append(a.seen, m)
	}
}

// look finds anew which messages are seen.
func (a *arrived) look() {
	a.seen = nil
	for _, m := range a.all {
		if a.lets(m) {
			a.seen = append(a.seen, m)
		}
	}
}

// resume lets in what was held. A stream that was opened anew during the pause has given some of it before.
func (a *arrived) resume() {
	type place struct {
		topic     string
		partition int32
		offset    int64
	}
	at := func(m *sandbox.Message) place { return place{m.Topic, m.Partition, m.Offset} }
	known := map[place]bool{}
	for _, m := range a.all {
		known[at(m)] = true
	}
	for _, m := range a.held {
		if !known[at(m)] {
			a.add(m)
		}
	}
	a.paused, a.held = false, nil
	a.forget()
}

// forget lets go of the oldest messages when there are too many, or they are too large.
func (a *arrived) forget() {
	n := tooMany(a.all)
	if n == 0 {
		return
	}
	gone := 0
	for _, m := range a.all[:n] {
		if gone < len(a.seen) && a.seen[gone] == m {
			gone++
		}
	}
	a.all, a.seen = slices.Clone(a.all[n:]), slices.Clone(a.seen[gone:])
}

// tooMany counts the oldest messages that go beyond what is kept.
func tooMany(list []*sandbox.Message) int {
	first, size := len(list), 0
	for first > 0 && len(list)-first < kept {
		m := list[first-1]
		if size += len(m.Value) + len(m.Raw) + len(m.Key); size > keptBytes {
			break
		}
		first--
	}
	return first
}

// lets tells whether a message is seen.
func (a *arrived) lets(m *sandbox.Message) bool {
	if a.trace != "" && m.TraceID != a.trace {
		return false
	}
	if a.text == "" {
		return true
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), a.text) }
	if has(m.Topic) || has(m.Key) || has(m.Type) || has(m.VNode) || has(m.TraceID) || has(m.Raw) || has(string(m.Value)) {
		return true
	}
	for name, value := range m.Headers {
		if has(name) || has(value) {
			return true
		}
	}
	return false
}
