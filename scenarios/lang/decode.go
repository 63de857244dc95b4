package lang

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/cordage-sandbox/cordage/sandbox/strictyaml"
)

// Bounds of what one scenario may ask for.
const (
	defaultTimeout = 5 * time.Minute
	maxTimeout     = time.Hour
	maxSteps       = 1000 // rounds of one each
	maxReplicas    = 8
	maxBrokers     = 3
)

var (
	scenarioName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	variableName = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,62}$`)
)

// roles are the worker types that a scenario may scale.
func roles() []string { return []string{"crypto", "database", "rest"} }

func (d *decoder) scenario(root ast.Node) *Scenario {
	s := &Scenario{File: d.File, Timeout: defaultTimeout}
	for _, e := range d.Entries(root, "a scenario", "name", "description", "timeout", "replicas", "brokers", "vars", "steps") {
		switch e.Key {
		case "name":
			if s.Name = d.Text(e.Value, "name"); !scenarioName.MatchString(s.Name) {
				d.Fault(d.Pos(e.Value), "name %q must be lower-case letters, digits and hyphens", s.Name)
			}
		case "description":
			s.Description = strings.TrimSpace(d.Text(e.Value, "description"))
		case "timeout":
			s.Timeout = d.duration(e.Value, "timeout", maxTimeout)
		case "replicas":
			s.Replicas = map[string]int{}
			for _, r := range d.Entries(e.Value, "replicas", roles()...) {
				s.Replicas[r.Key] = d.Number(r.Value, "replicas of "+r.Key, 1, maxReplicas)
			}
		case "brokers":
			if s.Brokers = d.Number(e.Value, "brokers", 1, maxBrokers); s.Brokers == 2 {
				d.Fault(d.Pos(e.Value), "brokers is 2; a sandbox has 1 or %d", maxBrokers)
			}
		case "vars":
			for _, v := range d.Entries(e.Value, "vars") {
				s.Vars = append(s.Vars, Assignment{v.Pos, v.Key, d.value(v.Value)})
				d.declare(v.Pos, v.Key)
			}
		case "steps":
			s.Steps = d.steps(e.Value)
		}
	}
	if s.Name == "" && d.OK() {
		d.Fault(d.Pos(root), "a scenario needs a name")
	}
	if len(s.Steps) == 0 && d.OK() {
		d.Fault(d.Pos(root), "a scenario needs steps")
	}
	return s
}

// declare makes a variable known to the expressions after it.
func (d *decoder) declare(pos Pos, name string) {
	switch {
	case name == "it" || name == "run":
		d.Fault(pos, "%q is a variable that scenarios are given; choose another name", name)
	case !variableName.MatchString(name):
		d.Fault(pos, "%q is not a variable name: it must begin with a lower-case letter and go on with letters, digits or _", name)
	default:
		d.compiler.known[name] = true
	}
}

func (d *decoder) duration(n ast.Node, what string, most time.Duration) time.Duration {
	text := d.Text(n, what)
	x, err := time.ParseDuration(text)
	if err != nil || x <= 0 || x > most {
		d.Fault(d.Pos(n), "%s is %q; it must be a duration such as 30s or 2m, at most %v", what, text, most)
	}
	return x
}

func (d *decoder) steps(n ast.Node) []Step {
	var steps []Step
	for _, item := range d.some(n, "steps") {
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
	s := Step{Pos: d.Pos(n)}
	actions := d.actions()
	kinds := slices.Sorted(maps.Keys(actions))
	allowed := append([]string{"name", "expect", "save", "within"}, kinds...)
	var after []strictyaml.Entry // what is read once the action is known, since it may use its outcome
	for _, e := range d.Entries(n, "a step", allowed...) {
		switch decode := actions[e.Key]; {
		case decode != nil && s.Action != nil:
			d.Fault(e.Pos, "the step does %s already; a step does one thing", s.Action.Kind())
		case decode != nil:
			s.Action = decode(d, e.Value)
		case e.Key == "name":
			s.Name = d.Text(e.Value, "name")
		case e.Key == "within":
			s.Within = d.duration(e.Value, "within", maxTimeout)
		default:
			after = append(after, e)
		}
	}
	if s.Action == nil {
		s.Action = Check{}
	}
	d.compiler.known["it"] = true
	for _, e := range after {
		if e.Key == "expect" {
			s.Expect = d.expect(e.Value)
			d.members(s)
		}
	}
	for _, e := range after {
		if e.Key == "save" {
			for _, v := range d.Entries(e.Value, "save") {
				s.Save = append(s.Save, Save{v.Key, d.expr(d.Pos(v.Value), d.Text(v.Value, v.Key))})
			}
		}
	}
	delete(d.compiler.known, "it")
	for _, e := range after {
		if e.Key == "save" {
			for _, v := range d.Entries(e.Value, "save") {
				d.declare(v.Pos, v.Key)
			}
		}
	}
	if _, check := s.Action.(Check); check && s.Expect.Empty() && d.Clean(s.Pos) {
		d.Fault(s.Pos, "the step does nothing; it needs one of %s, or expect", strings.Join(kinds, ", "))
	}
	if s.Within > 0 && s.Expect.Empty() {
		d.Fault(s.Pos, "within needs something to expect")
	}
	if s.Name == "" {
		s.Name = s.Action.Kind()
	}
	return s
}

// members refuses expectations of what the outcome of the step never has.
func (d *decoder) members(s Step) {
	members := outcome(s.Action)
	for _, a := range slices.Concat(s.Expect.Fields, s.Expect.Has) {
		switch {
		case slices.Contains(members, a.Name):
		case len(members) == 0:
			d.Fault(a.Pos, "a step %q has no outcome, and so no %q; it may expect only that", s.Action.Kind(), a.Name)
		default:
			d.Fault(a.Pos, "the outcome of %s has no %q; it has %s", s.Action.Kind(), a.Name, strings.Join(members, ", "))
		}
	}
}

func (d *decoder) expect(n ast.Node) Expect {
	var x Expect
	for _, e := range d.Entries(n, "expect") {
		switch e.Key {
		case "that":
			items := []ast.Node{e.Value}
			if seq, ok := e.Value.(*ast.SequenceNode); ok {
				items = seq.Values
			}
			for _, item := range items {
				x.That = append(x.That, d.condition(item))
			}
		case "has":
			for _, h := range d.Entries(e.Value, "has") {
				x.Has = append(x.Has, Assignment{h.Pos, h.Key, d.value(h.Value)})
			}
		default:
			x.Fields = append(x.Fields, Assignment{e.Pos, e.Key, d.value(e.Value)})
		}
	}
	return x
}
