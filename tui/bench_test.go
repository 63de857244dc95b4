package tui

import (
	"context"
	"iter"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/topology"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

// still is a source of a sandbox in which a test says what happens.
type still struct{ silent }

func (still) FollowTopology(context.Context) iter.Seq2[sandbox.Topology, error] {
	return func(yield func(sandbox.Topology, error) bool) {
		_, t := tuitest.Large()
		yield(t, nil)
	}
}

func (still) LogLines(context.Context, sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error] {
	return func(func(sandbox.LogLine, error) bool) {}
}

func (still) NodeConfig(context.Context, string) (c sandbox.NodeConfig, err error) { return c, nil }
func (still) Restart(context.Context, string) ([]sandbox.Node, error)              { return nil, nil }
func (still) Kill(context.Context, string) ([]sandbox.Node, error)                 { return nil, nil }
func (still) Pause(context.Context, string) ([]sandbox.Node, error)                { return nil, nil }
func (still) Unpause(context.Context, string) ([]sandbox.Node, error)              { return nil, nil }
func (still) Scale(context.Context, string, int) (n []sandbox.Node, err error)     { return n, nil }

// newLarge is the UI of the large sandbox, in a window of 160 by 48.
func newLarge(b *testing.B) (*Model, sandbox.Event) {
	b.Helper()
	v := topology.New(still{})
	m := New(Config{Name: "large", Source: still{}, Views: []screen.View{v}, Dark: true, Now: tuitest.Now})
	m.events = screen.Follow(screen.FeedOptions{}, still{}.Events)
	b.Cleanup(m.close)
	m.Update(tea.WindowSizeMsg{Width: 160, Height: 48})
	full, observed := tuitest.Large()
	m.feed(nil, full)
	v.Observe(observed)
	return m, full
}

// BenchmarkFrame is what one frame costs with 50 nodes, 200 topics and 1,000 events a second: a batch of the events of
// 50 ms, and a frame. Limit: 16 ms.
func BenchmarkFrame(b *testing.B) {
	m, full := newLarge(b)
	const batch = 50
	seq := uint64(2)
	b.ReportAllocs()
	for b.Loop() {
		m.feed(nil, tuitest.Bustle(full, batch, seq)...)
		m.beat++
		if len(m.Frame()) == 0 {
			b.Fatal("an empty frame")
		}
		seq += batch
	}
}

// BenchmarkStill is what a frame costs when nothing but the time changed.
func BenchmarkStill(b *testing.B) {
	m, _ := newLarge(b)
	b.ReportAllocs()
	for b.Loop() {
		m.Update(tickMsg(tuitest.Now()))
		if len(m.Frame()) == 0 {
			b.Fatal("an empty frame")
		}
	}
}
