package vnodes

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// Limits of what is waited for.
const (
	readLimit   = 10 * time.Second
	createLimit = 3 * time.Minute
	statusEvery = 150 * time.Millisecond
)

// What commands give.
type (
	loadedMsg struct {
		at        time.Time
		nodes     []client.VNode
		cpis      []client.CPI
		databases []sandbox.DatabaseInfo
		err       error
	}
	peekMsg struct {
		databases []sandbox.DatabaseInfo
		err       error
	}
	keysMsg      map[string]keyring // by short hash
	requestedMsg struct {           // a virtual node is asked for
		at   time.Time
		name string
		cpi  client.CPI
		id   string
		err  error
	}
	statusMsg struct { // how far a virtual node is
		at     time.Time
		id     string
		status client.VNodeStatus
		err    error
	}
)

// came takes what commands give.
func (v *View) came(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case beginMsg:
		return msg.do(v)
	case loadedMsg:
		return v.take(msg)
	case peekMsg:
		return v.peek(msg)
	case keysMsg:
		v.asking = false
		maps.Copy(v.wrapping, msg)
	case requestedMsg:
		return v.requested(msg)
	case statusMsg:
		return v.progress(msg)
	case filesMsg, refusedMsg:
		if v.dialog != nil {
			return v.dialog.update(v, msg)
		}
	case uploadTickMsg, uploadedMsg, storedMsg:
		return v.uploading(msg)
	case importedMsg:
		return v.imported(msg)
	case demoMsg:
		return v.demoMade(msg)
	}
	return nil
}

// How often is looked while the view is seen.
const (
	peekEvery = 4 * time.Second
	loadEvery = 30 * time.Second
)

// tick looks for what others have changed. The supervisor, which tells of databases, is asked often; the cluster itself is
// not, so that the requests it is seen to answer are those of people and programs.
func (v *View) tick(now time.Time) tea.Cmd {
	switch {
	case now.Sub(v.loaded) >= loadEvery, v.fault != nil && now.Sub(v.loaded) >= peekEvery:
		return v.load()
	case now.Sub(v.peeked) < peekEvery:
		return nil
	}
	v.peeked = now
	source := v.source
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		databases, err := source.Databases(ctx)
		return peekMsg{databases, err}
	}
}

// peek takes over the databases; where they are of other virtual nodes than those listed, the lists are read again.
func (v *View) peek(m peekMsg) tea.Cmd {
	if m.err != nil {
		return nil // the lists will tell
	}
	before, there := owners(v.databases), owners(m.databases)
	v.databases = m.databases
	same := len(there) == len(v.nodes)
	for hash := range there {
		same = same && v.listed(hash)
	}
	const most = 5 // databases of a node that will never be there do not count for ever
	switch {
	case same || !maps.Equal(before, there):
		v.missed = 0
	case v.missed == most:
		return nil
	}
	if same {
		return nil
	}
	v.missed++
	return v.load()
}

// owners are the short hashes of the virtual nodes that have databases.
func owners(databases []sandbox.DatabaseInfo) map[string]bool {
	there := map[string]bool{}
	for _, d := range databases {
		if d.VNode != "" {
			there[d.VNode] = true
		}
	}
	return there
}

// load reads the lists.
func (v *View) load() tea.Cmd {
	if v.loading {
		return nil
	}
	v.loading = true
	dial, source := v.dial, v.source
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		var m loadedMsg
		m.nodes, m.cpis, m.err = lists(ctx, dial)
		if m.err == nil {
			m.databases, _ = source.Databases(ctx) // sizes are an extra
		}
		m.at = time.Now()
		return m
	}
}

func lists(ctx context.Context, dial func(context.Context) (Cluster, error)) ([]client.VNode, []client.CPI, error) {
	rest, err := dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := rest.VNodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	cpis, err := rest.CPIs(ctx)
	return nodes, cpis, err
}

func (v *View) take(m loadedMsg) tea.Cmd {
	v.loading, v.loaded, v.fault = false, m.at, m.err
	if m.err != nil {
		return nil // what was known last stays, with the reason beside it
	}
	v.fresh = m.at
	at, was := v.selected()
	v.nodes, v.cpis, v.databases = m.nodes, m.cpis, m.databases
	v.creations = slices.DeleteFunc(v.creations, func(c creation) bool { return !c.over() && v.listed(c.id) })
	if was { // the cursor stays with its node
		for i, r := range v.rows() {
			if r.hash() == at.hash() {
				v.nodeTable.Cursor = i
			}
		}
	}
	v.fit()
	return v.detail()
}

func (v *View) listed(hash string) bool {
	return slices.ContainsFunc(v.nodes, func(n client.VNode) bool { return n.HoldingIdentity.ShortHash == hash })
}

// detail reads what is shown beyond the lists: the keys of the virtual nodes that are seen, and of the selected one again,
// since it may have got some.
func (v *View) detail() tea.Cmd {
	rows := v.rows()
	first := max(0, v.nodeTable.Cursor-v.nodePage())
	var wanted []string
	for i := first; i < min(len(rows), v.nodeTable.Cursor+v.nodePage()); i++ {
		known, ok := v.wrapping[rows[i].hash()]
		if rows[i].node != nil && (!ok || known.err != nil || i == v.nodeTable.Cursor) {
			wanted = append(wanted, rows[i].hash())
		}
	}
	if len(wanted) == 0 || v.asking {
		return nil
	}
	v.asking = true
	source := v.source
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		m := keysMsg{}
		for _, hash := range wanted {
			m[hash] = readKeys(ctx, source, hash)
		}
		return m
	}
}

func readKeys(ctx context.Context, source Source, hash string) (k keyring) {
	wrapping, err := source.Rows(ctx, hash+"/crypto", "crypto_wrapping_key", sandbox.Page{Limit: 20})
	if err != nil {
		return keyring{err: err}
	}
	for _, cells := range wrapping.Rows {
		text := map[string]string{}
		for i, c := range cells {
			text[wrapping.Columns[i].Name] = c.Text
		}
		k.wrapping = append(k.wrapping, text["alias"]+", generation "+text["generation"]+", "+text["algorithm_name"])
	}
	signing, err := source.Rows(ctx, hash+"/crypto", "crypto_signing_key", sandbox.Page{Limit: sandbox.MaxPage})
	k.signing, k.err = len(signing.Rows), err
	return k
}

// request asks for a virtual node.
func (v *View) request(name string, cpi client.CPI) tea.Cmd {
	dial := v.dial
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		rest, err := dial(ctx)
		if err != nil {
			return requestedMsg{time.Now(), name, cpi, "", err}
		}
		id, err := rest.CreateVNode(ctx, name, cpi.Checksum)
		return requestedMsg{time.Now(), name, cpi, id, err}
	}
}

func (v *View) requested(m requestedMsg) tea.Cmd {
	if m.err != nil {
		if form, ok := v.dialog.(*createForm); ok && form.sent {
			return form.update(v, refusedMsg{m.err})
		}
		return screen.Fail("create virtual node "+m.name, m.err)
	}
	if form, ok := v.dialog.(*createForm); ok && form.sent {
		v.dialog = nil
	}
	v.dismiss(m.id)
	v.creations = append([]creation{{id: m.id, name: m.name, cpi: m.cpi, since: m.at, status: "ACCEPTED"}}, v.creations...)
	v.onCPIs, v.nodeTable.Cursor = false, 0
	return v.askStatus(m.id, 0)
}

// askStatus asks how far a request is, after a pause.
func (v *View) askStatus(id string, after time.Duration) tea.Cmd {
	dial := v.dial
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		<-time.After(after)
		rest, err := dial(ctx)
		if err != nil {
			return statusMsg{at: time.Now(), id: id, err: err}
		}
		status, err := rest.VNodeStatus(ctx, id)
		return statusMsg{time.Now(), id, status, err}
	}
}

// progress takes the status of a request, and asks again until it is final. An error is no end: the cluster may be away
// for a moment, or not have seen the request yet.
func (v *View) progress(m statusMsg) tea.Cmd {
	i := slices.IndexFunc(v.creations, func(c creation) bool { return c.id == m.id })
	if i < 0 {
		return nil // listed already, or dismissed
	}
	c := &v.creations[i]
	if m.err == nil {
		c.status, c.reason = m.status.Status, text(m.status.Error)
	}
	switch {
	case c.status == "SUCCEEDED":
		var tell tea.Cmd
		if !c.told {
			c.told, tell = true, screen.Tell(v.made(*c))
		}
		const again = 300 * time.Millisecond // until it is listed, too
		return tea.Batch(tell, v.load(), v.askStatus(m.id, again))
	case c.over():
		return screen.Fail("create virtual node "+c.name, errors.New(strings.ToLower(c.status)+": "+c.reason))
	case m.at.Sub(c.since) > createLimit:
		c.status, c.reason = "FAILED", "its status did not become final within "+createLimit.String()
		if m.err != nil {
			c.reason += ": " + m.err.Error()
		}
		return screen.Fail("create virtual node "+c.name, errors.New(c.reason))
	}
	return v.askStatus(m.id, statusEvery)
}

// made is told when a virtual node is there. A success may come with a reason: a request with another CPI was refused.
func (v *View) made(c creation) screen.Notice {
	n := screen.Done("virtual node " + c.name + " is there, short hash " + c.id)
	if c.reason != "" {
		n.Severity, n.Hint = sandbox.Warning, c.reason
	}
	return n
}

func (v *View) dismiss(id string) {
	v.creations = slices.DeleteFunc(v.creations, func(c creation) bool { return c.id == id })
	v.fit()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
