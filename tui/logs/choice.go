package logs

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/tui/screen"
)

// choice says which lines are seen.
type choice struct {
	nodes map[string]bool // nil: all
	level int             // index of levels
	text  string
	find  *regexp.Regexp // nil: all
}

// levels that can be chosen: lines of this level or above.
func levels() []string { return []string{"", "info", "warn", "error"} }

func rank(level string) int {
	return slices.Index([]string{"debug", "info", "warn", "error"}, level)
}

func (c *choice) nextLevel() { c.level = (c.level + 1) % len(levels()) }

// match takes a text as regular expression, or as it is while it is none; case does not matter.
func (c *choice) match(text string) {
	c.text, c.find = text, nil
	if text == "" {
		return
	}
	find, err := regexp.Compile("(?i)" + text)
	if err != nil {
		find = regexp.MustCompile("(?i)" + regexp.QuoteMeta(text))
	}
	c.find = find
}

// lets tells whether a line is seen. Lines without a level are taken as information; events are above all levels.
func (c *choice) lets(e *entry) bool {
	if c.nodes != nil && !c.nodes[e.Node] {
		return false
	}
	if least := levels()[c.level]; least != "" && !e.event {
		level := cmp.Or(e.Level, "info")
		if rank(level) < rank(least) {
			return false
		}
	}
	if c.find == nil || c.find.MatchString(e.Text) || c.find.MatchString(e.Node) || e.TraceID != "" && c.find.MatchString(e.TraceID) {
		return true
	}
	for _, value := range e.Fields {
		if c.find.MatchString(value) {
			return true
		}
	}
	return false
}

// chooser is the list of nodes to choose from.
type chooser struct {
	names  []string
	counts map[string]int
	table  screen.Table
}

func (v *View) newChooser() *chooser {
	c := &chooser{counts: map[string]int{}}
	for _, e := range v.all {
		if c.counts[e.Node]++; c.counts[e.Node] == 1 {
			c.names = append(c.names, e.Node)
		}
	}
	slices.Sort(c.names)
	return c
}

// nodesKey: space takes a node in or out, enter takes it alone, a takes all.
func (v *View) nodesKey(msg tea.KeyPressMsg) {
	c := v.nodes
	name := ""
	if c.table.Cursor < len(c.names) {
		name = c.names[c.table.Cursor]
	}
	switch {
	case key.Matches(msg, v.keys.Toggle):
		if v.choice.nodes == nil {
			v.choice.nodes = map[string]bool{}
			for _, n := range c.names {
				v.choice.nodes[n] = true
			}
		}
		if v.choice.nodes[name] {
			delete(v.choice.nodes, name)
		} else {
			v.choice.nodes[name] = true
		}
	case key.Matches(msg, v.keys.Open):
		v.choice.nodes, v.nodes = map[string]bool{name: true}, nil
	case key.Matches(msg, v.keys.All):
		v.choice.nodes, v.nodes = nil, nil
	case key.Matches(msg, v.keys.Nodes):
		v.nodes = nil
	default:
		c.table, _ = c.table.Update(msg, len(c.names), len(c.names))
		return
	}
	v.choose()
}

// describe tells the choice in a few words.
func (c *choice) describe() string {
	var parts []string
	if c.nodes != nil {
		var names []string
		for n := range c.nodes {
			names = append(names, n)
		}
		slices.Sort(names)
		const most = 3
		if len(names) > most {
			parts = append(parts, screen.Plural(len(names), "node"))
		} else {
			parts = append(parts, strings.Join(names, ", "))
		}
	} else {
		parts = append(parts, "all nodes")
	}
	if l := levels()[c.level]; l != "" {
		parts = append(parts, l+" and above")
	}
	if c.text != "" {
		parts = append(parts, "/"+c.text+"/")
	}
	return strings.Join(parts, ", ")
}
