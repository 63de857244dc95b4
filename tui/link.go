package tui

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/launch"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// follow begins the one stream of events from which the state is kept. It is opened again whenever it breaks.
func (m *Model) follow() tea.Cmd {
	const most = 1 << 16 // an event that is dropped would leave the state wrong
	m.events = screen.Follow(screen.FeedOptions{Most: most}, func(ctx context.Context) iter.Seq2[sandbox.Event, error] {
		return unbroken(m.config.Source.Events(ctx))
	})
	return m.events.Next()
}

// unbroken ends the stream with an error where events are missing, so that it is opened anew and begins with the full
// state.
func unbroken(events iter.Seq2[sandbox.Event, error]) iter.Seq2[sandbox.Event, error] {
	return func(yield func(sandbox.Event, error) bool) {
		var last uint64
		for e, err := range events {
			if err == nil && e.State == nil && last != 0 && e.Seq != last+1 {
				yield(e, fmt.Errorf("%d events of the sandbox were missed", e.Seq-last-1))
				return
			}
			last = e.Seq
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// take takes over a batch of events.
func (m *Model) take(batch screen.FeedMsg[sandbox.Event]) tea.Cmd {
	if batch.Feed != m.events {
		return nil
	}
	var changes []screen.Change
	for _, e := range batch.Items {
		changes = append(changes, m.state.Apply(e)...)
		switch {
		case e.State != nil:
			for _, n := range e.State.Notices {
				m.notices.recall(fromSupervisor(n, e))
			}
		case e.Notify != nil:
			m.notices.add(fromSupervisor(*e.Notify, e))
		}
	}
	if m.state.Link == screen.Connected && onlyUsage(batch, changes) {
		m.waits = true // the next second shows it
	}
	if len(batch.Items) > 0 {
		m.offered = false
		m.link(screen.Connected, nil)
	}
	if batch.Err != nil {
		m.lost(batch.Err)
	}
	return tea.Batch(m.broadcast(screen.StateMsg{State: m.state, Changes: changes}), m.events.Next(), m.launchFirst())
}

// onlyUsage tells whether a batch holds nothing but samples of what nodes use, which come for each node at a time of its own.
func onlyUsage(batch screen.FeedMsg[sandbox.Event], changes []screen.Change) bool {
	for _, e := range batch.Items {
		if e.Node == nil {
			return false
		}
	}
	return batch.Err == nil && !slices.ContainsFunc(changes, func(c screen.Change) bool { return !c.Usage })
}

// launchFirst shows the view that starts a sandbox once it is known that none runs.
func (m *Model) launchFirst() tea.Cmd {
	if m.state.Link != screen.Absent || m.offered {
		return nil
	}
	m.offered = true
	return screen.Go(launch.Name, nil)
}

// lost notes that the stream broke.
func (m *Model) lost(err error) {
	_, absent := errors.AsType[*sandbox.NotRunningError](err)
	was := m.state.Link
	switch {
	case absent && (was == screen.Connecting || was == screen.Absent || m.ended()):
		m.link(screen.Absent, err)
	case was == screen.Connecting && !absent:
		m.link(screen.Connecting, err)
	default:
		m.link(screen.Lost, err)
	}
}

// ended tells whether the supervisor has said that it is about to end.
func (m *Model) ended() bool {
	p := m.state.Info.Phase
	return p == sandbox.PhaseStopping || p == sandbox.PhaseStopped || p == sandbox.PhaseFailed
}

func (m *Model) link(now screen.Link, err error) {
	was := m.state.Link
	m.state.Err = err
	if was == now {
		return
	}
	m.state.Link, m.state.Since = now, m.now
	switch {
	case now == screen.Lost:
		m.notices.add(screen.Notice{Time: m.now, Severity: sandbox.Fault, Text: "the connection to the supervisor is lost: " + err.Error(),
			Hint: "it is tried again; view launch starts a new one"})
	case now == screen.Connected && was == screen.Lost:
		m.notices.add(screen.Notice{Time: m.now, Severity: sandbox.Notice, Text: "connected to the supervisor again"})
	case now == screen.Absent && was != screen.Connecting:
		m.notices.add(screen.Notice{Time: m.now, Severity: sandbox.Notice, Text: "the sandbox has stopped"})
	}
}

func fromSupervisor(n sandbox.Notification, e sandbox.Event) screen.Notice {
	return screen.Notice{Time: e.Time, Severity: n.Severity, Node: n.Node, Text: n.Text, Hint: n.Remedy}
}
