package lang

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Bounds of what one scenario may ask for.
const (
	defaultTimeout = 5 * time.Minute
	maxTimeout     = time.Hour
	maxSteps       = 1000 // rounds of one each
	maxReplicas    = 8
)

var (
	scenarioName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	variableName = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,62}$`)
)

// roles are the worker types that a scenario may scale.
func roles() []string { return []string{"crypto", "database", "rest"} }

func (d *decoder) scenario(root ast.Node) *Scenario {
	s := &Scenario{File: d.file, Timeout: defaultTimeout}
	for _, e := range d.entries(root, "a scenario", "name", "description", "timeout", "replicas", "vars", "steps") {
		switch e.key {
		case "name":
			if s.Name = d.text(e.value, "name"); !scenarioName.MatchString(s.Name) {
				d.fault(d.pos(e.value), "name %q must be lower-case letters, digits and hyphens", s.Name)
			}
		case "description":
			s.Description = strings.TrimSpace(d.text(e.value, "description"))
		case "timeout":
			s.Timeout = d.duration(e.value, "timeout", maxTimeout)
		case "replicas":
			s.Replicas = map[string]int{}
			for _, r := range d.entries(e.value, "replicas", roles()...) {
				s.Replicas[r.key] = d.number(r.value, "replicas of "+r.key, 1, maxReplicas)
			}
		case "vars":
			for _, v := range d.entries(e.value, "vars") {
				s.Vars = append(s.Vars, Assignment{v.pos, v.key, d.value(v.value)})
				d.declare(v.pos, v.key)
			}
		case "steps":
			s.Steps = d.steps(e.value)
		}
	}
	if s.Name == "" && len(d.faults) == 0 {
		d.fault(d.pos(root), "a scenario needs a name")
	}
	if len(s.Steps) == 0 && len(d.faults) == 0 {
		d.fault(d.pos(root), "a scenario needs steps")
	}
	return s
}

// declare makes a variable known to the expressions after it.
func (d *decoder) declare(pos Pos, name string) {
	switch {
	case name == "it" || name == "run":
		d.fault(pos, "%q is a variable that scenarios are given; choose another name", name)
	case !variableName.MatchString(name):
		d.fault(pos, "%q is not a variable name: it must begin with a lower-case letter and go on with letters, digits or _", name)
	default:
		d.compiler.known[name] = true
	}
}

func (d *decoder) duration(n ast.Node, what string, most time.Duration) time.Duration {
	text := d.text(n, what)
	x, err := time.ParseDuration(text)
	if err != nil || x <= 0 || x > most {
		d.fault(d.pos(n), "%s is %q; it must be a duration such as 30s or 2m, at most %v", what, text, most)
	}
	return x
}

func (d *decoder) steps(n ast.Node) []Step {
	var steps []Step
	for _, item := range d.list(n, "steps") {
		steps = append(steps, d.step(item))
	}
	return steps
}

// actions are the kinds of steps, by the member that makes a step one of that kind.
func (d *decoder) actions() map[string]func(*decoder, ast.Node) Action {
	return map[string]func(*decoder, ast.Node) Action{
		"rest": (*decoder).rest, "notary": (*decoder).notary, "sql": (*decoder).sql, "worker": (*decoder).worker,
		"clock": (*decoder).clock, "package": (*decoder).pkg, "parallel": (*decoder).parallel, "each": (*decoder).each,
	}
}

func (d *decoder) step(n ast.Node) Step {
	s := Step{Pos: d.pos(n)}
	actions := d.actions()
	kinds := slices.Sorted(maps.Keys(actions))
	allowed := append([]string{"name", "expect", "save", "within"}, kinds...)
	var after []entry // what is read once the action is known, since it may use its outcome
	for _, e := range d.entries(n, "a step", allowed...) {
		switch decode := actions[e.key]; {
		case decode != nil && s.Action != nil:
			d.fault(e.pos, "the step does %s already; a step does one thing", s.Action.Kind())
		case decode != nil:
			s.Action = decode(d, e.value)
		case e.key == "name":
			s.Name = d.text(e.value, "name")
		case e.key == "within":
			s.Within = d.duration(e.value, "within", maxTimeout)
		default:
			after = append(after, e)
		}
	}
	if s.Action == nil {
		s.Action = Check{}
	}
	d.compiler.known["it"] = true
	for _, e := range after {
		if e.key == "expect" {
			s.Expect = d.expect(e.value)
		}
	}
	for _, e := range after {
		if e.key == "save" {
			for _, v := range d.entries(e.value, "save") {
				s.Save = append(s.Save, Save{v.key, d.expr(d.pos(v.value), d.text(v.value, v.key))})
			}
		}
	}
	delete(d.compiler.known, "it")
	for _, e := range after {
		if e.key == "save" {
			for _, v := range d.entries(e.value, "save") {
				d.declare(v.pos, v.key)
			}
		}
	}
	if _, check := s.Action.(Check); check && s.Expect.Empty() {
		d.fault(s.Pos, "the step does nothing; it needs one of %s, or expect", strings.Join(kinds, ", "))
	}
	if s.Within > 0 && s.Expect.Empty() {
		d.fault(s.Pos, "within needs something to expect")
	}
	if s.Name == "" {
		s.Name = s.Action.Kind()
	}
	return s
}

func (d *decoder) expect(n ast.Node) Expect {
	var x Expect
	for _, e := range d.entries(n, "expect") {
		switch e.key {
		case "that":
			items := []ast.Node{e.value}
			if seq, ok := e.value.(*ast.SequenceNode); ok {
				items = seq.Values
			}
			for _, item := range items {
				x.That = append(x.That, d.expr(d.pos(item), d.text(item, "an expression")))
			}
		case "has":
			for _, h := range d.entries(e.value, "has") {
				x.Has = append(x.Has, Assignment{h.pos, h.key, d.value(h.value)})
			}
		default:
			x.Fields = append(x.Fields, Assignment{e.pos, e.key, d.value(e.value)})
		}
	}
	return x
}

// required notes the members that an action needs and does not have.
func (d *decoder) required(n ast.Node, what string, got []entry, names ...string) {
	for _, name := range names {
		if !slices.ContainsFunc(got, func(e entry) bool { return e.key == name }) {
			d.fault(d.pos(n), "%s needs %s", what, name)
		}
	}
}
