package topology

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

// source notes what is asked of it.
type source struct {
	did []string
	err error
}

func (s *source) FollowTopology(context.Context) iter.Seq2[sandbox.Topology, error] {
	return func(yield func(sandbox.Topology, error) bool) { yield(tuitest.Topology(), nil) }
}

func (s *source) LogLines(context.Context, sandbox.LogFilter) iter.Seq2[sandbox.LogLine, error] {
	return func(func(sandbox.LogLine, error) bool) {}
}

func (s *source) NodeConfig(_ context.Context, node string) (sandbox.NodeConfig, error) {
	return sandbox.NodeConfig{Node: node, Settings: []sandbox.Setting{{Name: "kafka.brokers", Value: "127.0.0.1:9092"}, {Name: "databases.config.password", Value: "(masked)"}}}, nil
}

func (s *source) note(what string) ([]sandbox.Node, error) {
	s.did = append(s.did, what)
	return nil, s.err
}
func (s *source) Restart(_ context.Context, n string) ([]sandbox.Node, error) {
	return s.note("restart " + n)
}
func (s *source) Kill(_ context.Context, n string) ([]sandbox.Node, error) {
	return s.note("kill " + n)
}
func (s *source) Pause(_ context.Context, n string) ([]sandbox.Node, error) {
	return s.note("pause " + n)
}
func (s *source) Unpause(_ context.Context, n string) ([]sandbox.Node, error) {
	return s.note("unpause " + n)
}
func (s *source) Scale(_ context.Context, r string, n int) ([]sandbox.Node, error) {
	return s.note("scale " + r + " " + string(rune('0'+n)))
}

// shown is a view of the sandbox with what is observed of it.
func shown(t *testing.T) (*tuitest.View, *View, *source) {
	t.Helper()
	s := &source{}
	v := New(s)
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	t.Cleanup(func() { v.Update(screen.HiddenMsg{}) })
	observe(d, v, tuitest.Topology())
	for i := range 30 {
		at := tuitest.Now().Add(time.Duration(i) * time.Second)
		n, _ := d.State.Node("database-1")
		n.CPU += time.Duration(i%7) * 20 * time.Millisecond
		d.Events(sandbox.Event{Seq: uint64(i + 2), Time: at, Node: &n})
	}
	return d, v, s
}

func observe(d *tuitest.View, v *View, t sandbox.Topology) {
	d.Update(screen.FeedMsg[sandbox.Topology]{Feed: v.topology, Items: []sandbox.Topology{t}})
}

// died tells that a node was killed and is started again.
func died(d *tuitest.View, name string) {
	n, _ := d.State.Node(name)
	n.State, n.Instance, n.Reason, n.Restarts = sandbox.Backoff, "", "ended by signal: killed", 1
	d.Events(sandbox.Event{Seq: 100, Time: tuitest.Now(), Node: &n})
}

func (v *View) choose(what id) { v.selected, v.edge = what, 0 }

func TestLooks(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(d *tuitest.View, v *View){
		"first":    func(*tuitest.View, *View) {},
		"worker":   func(_ *tuitest.View, v *View) { v.choose(nodeID("database-1")) },
		"inspect":  func(d *tuitest.View, v *View) { v.choose(nodeID("database-1")); d.Press("enter"); loaded(d, v) },
		"topic":    func(_ *tuitest.View, v *View) { v.choose(topicID("uniqueness.check")) },
		"database": func(_ *tuitest.View, v *View) { v.choose(databaseID("1D25967B548B/uniqueness")) },
		"killed": func(d *tuitest.View, v *View) {
			v.choose(nodeID("database-1"))
			died(d, "database-1")
			now := tuitest.Topology()
			now.Edges = slices.DeleteFunc(now.Edges, func(e sandbox.Edge) bool { return e.From == "database-1" })
			observe(d, v, now)
		},
		"faults": func(d *tuitest.View, v *View) {
			v.observed.Faults = []string{"consumers: dial tcp 127.0.0.1:9092: connection refused"}
			v.rebuild()
		},
		"absent": func(d *tuitest.View, _ *View) { d.State.Nodes, d.State.Link = nil, screen.Absent },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, v, _ := shown(t)
			prepare(d, v)
			d.Golden(t)
		})
	}
}

// loaded gives the inspector a log and a configuration.
func loaded(d *tuitest.View, v *View) {
	v.lines = []sandbox.LogLine{
		{Node: "database-1", Time: tuitest.Now(), Level: "info", Text: "the worker is ready"},
		{Node: "database-1", Time: tuitest.Now(), Level: "warn", Text: "a check took longer than a second"},
	}
	c, _ := (&source{}).NodeConfig(context.Background(), "database-1")
	d.Update(configMsg{turn: v.turn, config: c})
}

func TestMoves(t *testing.T) {
	t.Parallel()
	d, v, _ := shown(t)
	d.Text(80, 24)
	if v.selected != nodeID("lb-1") {
		t.Fatalf("selected is %s at first, want the entry", v.selected)
	}
	for _, step := range []struct {
		key  string
		want id
	}{
		{"right", nodeID("rest-1")}, {"down", nodeID("rest-2")}, {"right", topicID("uniqueness.check")}, {"right", nodeID("database-1")},
		{"right", databaseID("1D25967B548B/uniqueness")}, {"left", nodeID("database-1")}, {"down", nodeID("crypto-1")}, {"down", nodeID("crypto-1")},
		{"right", databaseID("crypto")},
	} {
		if d.Press(step.key); v.selected != step.want {
			t.Errorf("%s selects %s, want %s", step.key, v.selected, step.want)
		}
	}
}

func TestEdges(t *testing.T) {
	t.Parallel()
	d, v, _ := shown(t)
	v.choose(nodeID("crypto-1"))
	d.Press("e", "enter")
	if v.selected != topicID("crypto.hsm.rpc.registration") {
		t.Errorf("the first edge of crypto-1 leads to %s", v.selected)
	}
	d.Press("e")
	if _, closed := v.Close(); !closed || v.edge != 0 {
		t.Error("esc does not take back the choice of an edge")
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		at   id
		keys string
		asks string // the title of a question that must be answered first
		want string
	}{
		"restart a worker":  {nodeID("rest-1"), "r", "", "restart rest-1"},
		"restart a server":  {nodeID("kafka-1"), "r", "Restart kafka-1?", "restart kafka-1"},
		"kill":              {nodeID("crypto-1"), "K", "Kill crypto-1?", "kill crypto-1"},
		"pause":             {nodeID("rest-2"), "p", "", "pause rest-2"},
		"scale up":          {nodeID("rest-2"), "+", "", "scale rest 3"},
		"scale down":        {nodeID("rest-2"), "-", "", "scale rest 1"},
		"scale to none":     {nodeID("crypto-1"), "-", "Stop the last crypto worker?", "scale crypto 0"},
		"topics do nothing": {topicID("cpi.upload"), "K", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, v, s := shown(t)
			v.choose(tc.at)
			d.Press(tc.keys)
			if tc.asks != "" {
				q, ok := last(d).(screen.ConfirmMsg)
				if !ok || q.Title != tc.asks {
					t.Fatalf("it asks %#v, want %s", last(d), tc.asks)
				}
				if len(s.did) > 0 {
					t.Fatalf("it did %v before the answer", s.did)
				}
				d.Run(q.Do)
			}
			if got := strings.Join(s.did, ", "); got != tc.want {
				t.Errorf("it did %q, want %q", got, tc.want)
			}
			if len(v.acting) > 0 {
				t.Errorf("%v is left as under way", v.acting)
			}
		})
	}
}

func last(d *tuitest.View) tea.Msg {
	if len(d.Sent) == 0 {
		return nil
	}
	return d.Sent[len(d.Sent)-1]
}

func TestRefusedActions(t *testing.T) {
	t.Parallel()
	d, v, s := shown(t)
	s.err = errors.New("the sandbox is stopping")
	v.choose(nodeID("rest-1"))
	d.Press("r")
	n, ok := last(d).(screen.NoticeMsg)
	if !ok || !strings.Contains(n.Text, "restart rest-1") || !strings.Contains(n.Text, "stopping") {
		t.Errorf("a failed restart tells %#v", last(d))
	}
	v.choose(nodeID("lb-1"))
	d.Press("+")
	if n, ok := last(d).(screen.NoticeMsg); !ok || !strings.Contains(n.Text, "exactly one") {
		t.Errorf("a second load balancer is answered by %#v", last(d))
	}
}

func TestJumps(t *testing.T) {
	t.Parallel()
	d, v, _ := shown(t)
	v.choose(nodeID("rest-1"))
	d.Press("l")
	if g, ok := last(d).(screen.GoMsg); !ok || g.View != "logs" {
		t.Errorf("l asks for %#v", last(d))
	}
	v.choose(databaseID("config"))
	d.Press("s")
	if x, ok := last(d).(screen.ExecMsg); !ok || strings.Join(x.Args, " ") != "psql config" {
		t.Errorf("s asks for %#v", last(d))
	}
	v.choose(topicID("cpi.upload"))
	d.Press("m")
	if g, ok := last(d).(screen.GoMsg); !ok || g.What != (screen.OpenTopic{Topic: "cpi.upload"}) {
		t.Errorf("m asks for %#v", last(d))
	}
}

func TestMouse(t *testing.T) {
	t.Parallel()
	d, v, _ := shown(t)
	for y, line := range strings.Split(d.Text(80, 24), "\n") {
		if x := strings.Index(line, "crypto-1"); x >= 0 {
			d.Update(tea.MouseClickMsg{X: screen.Width(line[:x]), Y: y, Button: tea.MouseLeft})
			break
		}
	}
	if v.selected != nodeID("crypto-1") {
		t.Fatalf("a click on crypto-1 selects %s", v.selected)
	}
	d.Text(80, 24)
	p := v.kept.layout.paths[0].points[0]
	d.Update(tea.MouseClickMsg{X: p.x, Y: p.y, Button: tea.MouseLeft})
	if v.edge == 0 {
		t.Error("a click on a line selects no edge")
	}
}

func TestFilterAndAll(t *testing.T) {
	t.Parallel()
	d, v, _ := shown(t)
	if v.graph.hidden != 2 {
		t.Errorf("%d topics are hidden, want the two that nobody uses", v.graph.hidden)
	}
	d.Press("a")
	if !strings.Contains(d.Text(160, 48), "flow.status") {
		t.Error("a does not show the topics that nobody uses")
	}
	d.Update(screen.FilterMsg{Text: "Uniq"})
	text := d.Text(160, 48)
	if !strings.Contains(text, "uniqueness.check") || strings.Contains(text, "cpi.upload") {
		t.Errorf("the filter does not choose:\n%s", text)
	}
}
