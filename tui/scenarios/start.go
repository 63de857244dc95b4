package scenarios

import (
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// marked are the scenarios to be run together: those with a mark, or the one under the cursor.
func (v *View) marked() []*lang.Scenario {
	list := slices.DeleteFunc(slices.Clone(v.list), func(s *lang.Scenario) bool { return !v.mark[s.File+s.Name] })
	if len(list) > 0 {
		return list
	}
	if s, ok := v.selected(); ok {
		return []*lang.Scenario{s}
	}
	return nil
}

// start runs scenarios, unless some run already: they change the same clock and the same workers.
func (v *View) start(list []*lang.Scenario) tea.Cmd {
	switch {
	case len(list) == 0:
		return nil
	case v.running():
		return screen.Tell(screen.Notice{Severity: sandbox.Warning, Text: "scenarios are running already", Hint: "x stops them"})
	case v.state != nil && v.state.Link != screen.Connected:
		return screen.Tell(screen.Notice{Severity: sandbox.Warning, Text: "scenarios need a sandbox that runs", Hint: "start it in view launch"})
	}
	fit := slices.DeleteFunc(slices.Clone(list), func(s *lang.Scenario) bool { return !v.fits(s) })
	unfit := v.unfit(list)
	if len(fit) == 0 {
		return unfit
	}
	return tea.Batch(unfit, v.begin(fit))
}

// fits tells whether the sandbox is as the scenario needs it.
func (v *View) fits(s *lang.Scenario) bool {
	return s.Brokers == 0 || v.state == nil || s.Brokers == max(1, v.state.Info.Spec.Brokers)
}

// unfit tells of the scenarios that this sandbox is not made for.
func (v *View) unfit(list []*lang.Scenario) tea.Cmd {
	for _, s := range list {
		if !v.fits(s) {
			return screen.Tell(screen.Notice{
				Severity: sandbox.Warning, Text: fmt.Sprintf("scenario %s is left out: it needs %d Kafka brokers", s.Name, s.Brokers),
				Hint: "in a terminal: cordage scenario run " + s.Name + " (in a sandbox of its own)",
			})
		}
	}
	return nil
}

func (v *View) begin(list []*lang.Scenario) tea.Cmd {
	v.begun++
	v.session = newSession(v.begun, list, v.open, v.archive)
	began := v.session.state(false)
	v.history = slices.Insert(v.history, 0, &past{number: v.begun, scenarios: list, runs: began.runs})
	v.history = v.history[:min(len(v.history), keptRuns)]
	v.show(0)
	v.follow = true
	return tea.Batch(v.session.work, v.session.next())
}

// show shows the steps of a session.
func (v *View) show(i int) {
	v.shown = v.history[i]
	v.pane, v.tree, v.scroll, v.reading, v.follow = onSteps, screen.Table{}, 0, false, false
	clear(v.unfold)
	v.toFailure()
}

// take takes over how far the session is.
func (v *View) take(m stateMsg) tea.Cmd {
	i := slices.IndexFunc(v.history, func(p *past) bool { return p.number == m.number })
	if i < 0 {
		return nil
	}
	p := v.history[i]
	p.runs, p.over = m.runs, m.over
	if p.began.IsZero() {
		p.began = m.runs[0].began
	}
	if v.shown == p {
		v.toRunning()
	}
	if !m.over {
		return v.session.next()
	}
	for _, r := range m.runs {
		v.last[r.name] = r
	}
	if v.shown == p && v.follow {
		v.toFailure()
	}
	return tea.Batch(screen.Tell(p.notice()), screen.Fail("keep what the run came to", m.unkept))
}

// again runs the scenarios of a run once more.
func (v *View) again(p *past) tea.Cmd {
	list := p.scenarios
	if list == nil {
		for _, r := range p.runs {
			i := slices.IndexFunc(v.list, func(s *lang.Scenario) bool { return s.Name == r.name && s.File == r.file })
			if i < 0 {
				return screen.Tell(screen.Notice{Severity: sandbox.Warning, Text: "scenario " + r.name + " is not in the list", Hint: "o opens its file, which was " + r.file})
			}
			list = append(list, v.list[i])
		}
	}
	return v.start(list)
}

// runNamed runs a scenario that another view or the palette names; "all" are all.
func (v *View) runNamed(what any) tea.Cmd {
	name, ok := what.(string)
	if !ok {
		return nil
	}
	if len(v.list) == 0 && v.fault == nil {
		v.wanted = name // what there is is still being read
		return nil
	}
	if name == "all" {
		return v.start(v.list)
	}
	for _, s := range v.list {
		if s.Name == name {
			return v.start([]*lang.Scenario{s})
		}
	}
	return screen.Fail("run scenario "+name, errors.New("there is none of that name"))
}
