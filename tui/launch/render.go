package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// startFailure is what a start failed by, if the error tells.
func startFailure(err error) (sandbox.Failure, bool) {
	if s, ok := errors.AsType[*sandbox.StartError](err); ok {
		return s.Failure, true
	}
	return sandbox.Failure{}, false
}

// Render draws the form, the plan of the start, or why it failed.
func (v *View) Render(f screen.Frame) string {
	switch {
	case v.failure() != nil:
		return v.drawFailure(f)
	case v.choosing():
		return v.drawForm(f)
	case v.orphaned():
		t := f.Theme
		return screen.Middle([]string{
			t.Bad.Render(t.Signs.Failed + " the supervisor of sandbox " + f.State.Name + " is gone; its nodes may live on"), "",
			t.Key.Render("enter") + t.Dim.Render("  starts a new one, which adopts what runs"),
		}, f.Width, f.Height)
	case len(f.State.Steps) > 0 && (v.running() || !v.asked.IsZero()):
		return v.drawPlan(f)
	case !v.asked.IsZero():
		return screen.Middle([]string{f.Theme.Busy.Render(screen.Spinner(f)) + " starting the supervisor of sandbox " + v.form.name.Value()}, f.Width, f.Height)
	}
	return screen.Looking(f)
}

func (v *View) drawForm(f screen.Frame) string {
	t := f.Theme
	lines := []string{"", t.Strong.Render("  Start a sandbox"), ""}
	lines = append(lines, v.form.lines(f)...)
	if v.listErr != nil {
		lines = append(lines, "", t.Warn.Render("  "+t.Signs.Warning+" "+screen.Line(v.listErr.Error())))
	}
	if s, ok := v.form.known[v.form.name.Value()]; ok && s.Last != nil {
		lines = append(lines, "", t.Warn.Render(screen.Cut("  "+t.Signs.Warning+" its last start failed: "+s.Last.Part+": "+screen.Line(s.Last.Cause), f.Width)))
	}
	if len(v.list) > 0 && f.Height > len(lines)+len(v.list)+3 {
		lines = append(lines, "", t.Dim.Render("  kept on this machine"))
		for _, s := range v.list {
			sign, style, what := t.Signs.Stopped, t.Dim, "stopped"
			if s.Running {
				sign, style, what = t.Signs.Ready, t.Good, "running"
			}
			lines = append(lines, "  "+style.Render(sign+" "+screen.Pad(what, 9))+t.Text.Render(screen.Pad(s.Name, 24))+t.Dim.Render(describe(s.Spec)))
		}
	}
	return screen.Fill(lines, f.Width, f.Height)
}

// describe tells a specification in a few words.
func describe(s sandbox.Spec) string {
	parts := []string{s.Runtime, string(s.Databases) + " databases"}
	for _, r := range sandbox.RoleNames() {
		if n := s.Replicas[r]; n != 1 {
			parts = append(parts, fmt.Sprintf("%s×%d", r, n))
		}
	}
	return strings.Join(parts, ", ")
}

// drawPlan draws the steps of the start on one scale of time: a bar from when a step began to when it ended, or to now.
func (v *View) drawPlan(f screen.Frame) string {
	t, s := f.Theme, f.State
	elapsed := s.Info.Took
	if elapsed == 0 {
		elapsed = f.Now.Sub(s.Info.Started)
	}
	done := 0
	for _, st := range s.Steps {
		if elapsed = max(elapsed, st.Ended); st.State == sandbox.StepDone {
			done++
		}
	}
	head := t.Busy.Render(screen.Spinner(f)) + t.Strong.Render(" starting sandbox "+s.Name)
	if s.Info.Phase == sandbox.PhaseReady || s.Info.Phase == sandbox.PhaseDegraded {
		head = t.Good.Render(t.Signs.Check) + t.Strong.Render(" sandbox "+s.Name+" was ready after "+screen.Duration(s.Info.Took))
	}
	lines := []string{"", screen.Ends("  "+head, t.Dim.Render(fmt.Sprintf("%d of %d steps  ", done, len(s.Steps)))+t.Text.Render(screen.Duration(elapsed))+"  ", f.Width), ""}
	bars := max(10, f.Width-2-2-16-10-2-detailWidth(f.Width))
	for _, st := range s.Steps {
		lines = append(lines, v.step(f, st, elapsed, bars))
	}
	if e := s.Info.Endpoints; s.Info.Phase == sandbox.PhaseReady && e.REST != "" {
		lines = append(lines, "", "  "+t.Dim.Render("REST API    ")+t.Text.Render(e.REST), "  "+t.Dim.Render("Kafka       ")+t.Text.Render(e.Kafka),
			"  "+t.Dim.Render("PostgreSQL  ")+t.Text.Render(e.PostgreSQL))
	}
	v.scroll = max(0, min(v.scroll, len(lines)-f.Height))
	return screen.Fill(lines[v.scroll:], f.Width, f.Height)
}

// detailWidth is the room for what is going on in a step.
func detailWidth(w int) int {
	const least, share = 22, 3
	return max(least, w/share)
}

func (v *View) step(f screen.Frame, s sandbox.Step, elapsed time.Duration, bars int) string {
	t := f.Theme
	sign, style, took := t.Signs.Waiting, t.Faint, ""
	text := t.Dim
	end := s.Started
	switch s.State {
	case sandbox.StepRunning:
		sign, style, end, text = screen.Spinner(f), t.Busy, elapsed, t.Text
		took = screen.Duration(elapsed - s.Started)
	case sandbox.StepDone:
		sign, style, end, text = t.Signs.Check, t.Good, s.Ended, t.Text
		took = screen.Duration(s.Took())
	case sandbox.StepFailed:
		sign, style, end, text = t.Signs.Failed, t.Bad, s.Ended, t.Bad
		took = screen.Duration(s.Took())
	}
	detail := s.About
	if s.State == sandbox.StepRunning && s.Detail != "" {
		detail = s.Detail
		if s.Done > 0 {
			detail = fmt.Sprintf("%3.0f%% %s", s.Done*100, detail)
		}
	}
	if s.State == sandbox.StepWaiting && len(s.After) > 0 {
		detail = "waits for " + strings.Join(v.missing(f.State.Steps, s.After), ", ")
	}
	bar := strings.Repeat(" ", bars)
	if s.State != sandbox.StepWaiting && elapsed > 0 {
		scale := float64(bars) / float64(elapsed)
		from, to := int(float64(s.Started)*scale), int(float64(end)*scale)
		from = min(from, bars-1)
		to = min(max(to, from+1), bars)
		bar = t.Faint.Render(strings.Repeat(t.Signs.Dot, from)) + style.Render(strings.Repeat(t.Signs.Full, to-from)) + strings.Repeat(" ", bars-to)
	}
	return "  " + style.Render(sign) + " " + text.Render(screen.Pad(s.Name, 15)) + " " + bar + " " + t.Text.Render(screen.PadLeft(took, 7)) + "  " +
		t.Dim.Render(screen.Cut(screen.Line(detail), detailWidth(f.Width)))
}

// missing are the steps of names that are not done yet.
func (v *View) missing(steps []sandbox.Step, names []string) (list []string) {
	for _, name := range names {
		if i := slices.IndexFunc(steps, func(s sandbox.Step) bool { return s.Name == name }); i < 0 || steps[i].State != sandbox.StepDone {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return names
	}
	return list
}

func (v *View) drawFailure(f screen.Frame) string {
	t, fail := f.Theme, v.failure()
	w := f.Width - 4
	lines := []string{"", t.Bad.Render(t.Signs.Failed + " the start failed in " + fail.Part), ""}
	add := func(style func(...string) string, text string) {
		for _, l := range screen.Lines(text) {
			for _, part := range screen.Wrap(l, w) {
				lines = append(lines, style(part))
			}
		}
	}
	add(t.Dim.Render, "while it was to "+fail.Stage)
	add(t.Text.Render, fail.Cause)
	if fail.Hint != "" {
		lines = append(lines, "")
		add(t.Accent.Render, t.Signs.Right+" "+fail.Hint)
	}
	if len(fail.Log) > 0 {
		lines = append(lines, "", screen.Rule(t, "the last lines of its log", w))
		for _, l := range fail.Log {
			add(t.Text.Render, l)
		}
	}
	if fail.Logs != "" {
		lines = append(lines, "", t.Dim.Render(screen.Cut("logs are kept in "+fail.Logs, w)))
	}
	v.scroll = max(0, min(v.scroll, len(lines)-f.Height))
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return screen.Fill(lines[v.scroll:], f.Width, f.Height)
}
