package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// progress shows a start: in a terminal a line per step that is drawn again and again, in a pipe a line when a step ends.
type progress struct {
	name   string
	out    io.Writer
	width  int
	live   bool
	colour bool
	quiet  bool      // the sandbox ran already: only tell what is left to wait for
	began  time.Time // of the command
	offset time.Duration
	steps  []sandbox.Step
	tells  []string // warnings, under the steps
	drawn  int      // lines on the screen that are ours
	frame  int
}

func (a *app) newProgress(began time.Time, quiet bool) *progress {
	width, live := isTerminal(a.err)
	return &progress{name: a.name, out: a.err, width: width, live: live, colour: colours(a.err), quiet: quiet, began: began}
}

// frameEvery is the pause between two frames of the spinner.
const frameEvery = 100 * time.Millisecond

// show follows the events until the start is over, and returns why it failed.
func (p *progress) show(events iter.Seq2[sandbox.Event, error]) error {
	type item struct {
		event sandbox.Event
		err   error
	}
	items := make(chan item)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(items)
		for e, err := range events {
			select {
			case items <- item{e, err}:
			case <-done:
				return
			}
		}
	}()
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.frame++
			p.draw()
		case i, open := <-items:
			if !open {
				return &sandbox.NotRunningError{Name: p.name} // its supervisor ended without a last word
			}
			if i.err != nil {
				p.draw()
				return i.err
			}
			over, err := p.take(i.event)
			if over {
				p.draw()
				return err
			}
		}
	}
}

// take takes an event over. The first result tells that the start is over.
func (p *progress) take(e sandbox.Event) (bool, error) {
	switch {
	case e.State != nil:
		p.steps = e.State.Steps
		p.offset = time.Since(p.began) - time.Since(e.State.Sandbox.Started)
		if !p.live && !p.quiet {
			for _, s := range p.steps {
				p.line(s)
			}
		}
		for _, n := range e.State.Notices {
			p.tell(n)
		}
		return ended(e.State.Sandbox)
	case e.Sandbox != nil:
		return ended(*e.Sandbox)
	case e.Step != nil:
		p.step(*e.Step)
	case e.Notify != nil:
		p.tell(*e.Notify)
	}
	return false, nil
}

func (p *progress) step(s sandbox.Step) {
	for i := range p.steps {
		if p.steps[i].Name == s.Name {
			was := p.steps[i]
			p.steps[i] = s
			if !p.live && (was.State != s.State || p.long(s) && newStage(was.Detail, s.Detail)) {
				p.line(s)
			}
		}
	}
}

// long tells whether a step takes so long that a person wants to know what it is at.
func (p *progress) long(s sandbox.Step) bool {
	const patience = 2 * time.Second
	return time.Since(p.began)-p.offset-s.Started > patience
}

// newStage tells whether a detail says something new but for numbers: 12 of 80 MB and 13 of 80 MB are one stage.
func newStage(was, is string) bool {
	letters := func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}
	return is != "" && strings.Map(letters, was) != strings.Map(letters, is)
}

func (p *progress) tell(n sandbox.Notification) {
	text := string(n.Severity) + ": "
	if n.Node != "" {
		text += n.Node + ": "
	}
	text = shown(text + n.Text)
	if p.live {
		p.tells = append(p.tells, text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// line prints a step for a pipe.
func (p *progress) line(s sandbox.Step) {
	switch s.State {
	case sandbox.StepRunning:
		if s.Detail != "" {
			fmt.Fprintf(p.out, "%-12s %s\n", s.Name, s.Detail)
			return
		}
		fmt.Fprintf(p.out, "%-12s %s\n", s.Name, s.About)
	case sandbox.StepDone:
		fmt.Fprintf(p.out, "%-12s ready after %s\n", s.Name, seconds(s.Took()))
	case sandbox.StepFailed:
		fmt.Fprintf(p.out, "%-12s failed after %s\n", s.Name, seconds(s.Took()))
	}
}

// draw paints the steps over those of before.
func (p *progress) draw() {
	if !p.live || p.quiet && p.drawn == 0 && len(p.steps) == 0 {
		return
	}
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn) // up to our first line
	}
	lines := 0
	write := func(text string) {
		b.WriteString("\x1b[2K" + cut(text, p.width) + "\x1b[0m\n")
		lines++
	}
	for _, s := range p.steps {
		write(p.text(s))
	}
	for _, t := range p.tells {
		write("  ! " + t)
	}
	p.drawn = lines
	_, _ = io.WriteString(p.out, b.String()) // nobody to tell if the terminal is gone
}

// text is a step as a line of the live view. The sign and the word tell the state; colour only repeats it.
func (p *progress) text(s sandbox.Step) string {
	const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	sign, colour, took := "·", "2", ""
	about := s.About
	switch s.State {
	case sandbox.StepRunning:
		all := []rune(frames)
		sign, colour = string(all[p.frame%len(all)]), "36"
		took = seconds(time.Since(p.began) - p.offset - s.Started)
		if s.Detail != "" {
			about = s.Detail
		}
		if s.Done > 0 {
			about += " " + bar(s.Done)
		}
	case sandbox.StepDone:
		sign, colour, took = "✓", "32", seconds(s.Took())
	case sandbox.StepFailed:
		sign, colour, took = "✗", "31", "failed after "+seconds(s.Took())
	}
	if p.colour {
		sign = "\x1b[" + colour + "m" + sign + "\x1b[0m"
	}
	return fmt.Sprintf("  %s %-12s %-8s %s", sign, s.Name, took, about)
}

// bar is a fraction from 0 to 1 as a bar.
func bar(done float64) string {
	const width = 20
	full := min(width, int(done*width))
	return "[" + strings.Repeat("█", full) + strings.Repeat("░", width-full) + fmt.Sprintf("] %d%%", int(done*100))
}

// cut shortens a line to the width of the screen, not counting escape sequences.
func cut(text string, width int) string {
	var b strings.Builder
	shown, escape := 0, false
	for _, r := range text {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if shown++; shown >= width {
				return b.String()
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
