package scenarios

import (
	"fmt"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/scenarios/lang"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// past is a session as far as it is known.
type past struct {
	number    int              // 0: of an earlier session of the UI
	scenarios []*lang.Scenario // nil: as number
	runs      []scenarioRun
	began     time.Time
	over      bool
}

// notice tells how a session ended.
func (p *past) notice() screen.Notice {
	failed := 0
	for _, r := range p.runs {
		if r.status != run.Passed {
			failed++
		}
	}
	switch {
	case failed == 0 && len(p.runs) == 1:
		return screen.Done("scenario " + p.runs[0].name + " passed in " + screen.Duration(p.runs[0].took))
	case failed == 0:
		return screen.Done(fmt.Sprintf("%d scenarios passed", len(p.runs)))
	case len(p.runs) == 1:
		return screen.Notice{Severity: sandbox.Warning, Text: "scenario " + p.runs[0].name + " " + p.verdict(), Hint: "view scenarios shows what was expected and what came"}
	}
	return screen.Notice{Severity: sandbox.Warning, Text: fmt.Sprintf("%d of %d scenarios did not pass", failed, len(p.runs)), Hint: "view scenarios shows what was expected and what came"}
}

// verdict is a word for what became of a session.
func (p *past) verdict() string {
	if !p.over {
		return "running"
	}
	out := "passed"
	for _, r := range p.runs {
		if r.stopped {
			return "stopped"
		}
		if r.status != run.Passed {
			out = "failed"
		}
	}
	return out
}

// results are what reports are made of: of the scenarios that were run.
func (p *past) results() (list []*run.Result) {
	for _, r := range p.runs {
		if r.result != nil {
			list = append(list, r.result)
		}
	}
	return list
}

func (p *past) title() string {
	if len(p.runs) == 1 {
		return p.runs[0].name
	}
	return screen.Plural(len(p.runs), "scenario")
}

func (p *past) sign(f screen.Frame) (string, lipgloss.Style) {
	t := f.Theme
	switch p.verdict() {
	case "running":
		return screen.Spinner(f), t.Busy
	case "passed":
		return t.Signs.Check, t.Good
	case "stopped":
		return t.Signs.Stopped, t.Dim
	}
	return t.Signs.Failed, t.Bad
}

func (p *past) took(now time.Time) (d time.Duration) {
	for _, r := range p.runs {
		if !r.began.IsZero() {
			d += elapsed(r.began, now, r.took, r.status != "")
		}
	}
	return d
}

// when tells when the run began: the time, or for one of another day the day, too.
func (p *past) when(now time.Time) string {
	began := p.began.Local()
	switch {
	case p.began.IsZero():
		return ""
	case began.Format(time.DateOnly) == now.Local().Format(time.DateOnly):
		return began.Format(time.TimeOnly)
	case began.Year() == now.Local().Year():
		return began.Format("2 Jan 15:04")
	}
	return began.Format("2 Jan 2006")
}
