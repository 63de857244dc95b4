package vnodes

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
)

// details draws all that is known of what is under the cursor.
func (v *View) details(f screen.Frame, w int) string {
	var lines []string
	p := &page{f: f, w: w - 2}
	if c, ok := v.selectedCPI(); ok {
		v.cpiDetails(p, c)
	} else if r, ok := v.selected(); ok && r.node != nil {
		v.nodeDetails(p, *r.node)
	} else if ok {
		v.creationDetails(p, *r.creation)
	} else {
		p.lines = append(p.lines, f.Theme.Dim.Render("all of what is under the cursor stands here"))
	}
	v.beyond = max(0, len(p.lines)-f.Height)
	top := min(v.scroll, v.beyond)
	for _, l := range p.lines[top:] {
		lines = append(lines, " "+l)
	}
	if below := len(p.lines) - top - f.Height; below > 0 {
		lines[f.Height-1] = " " + f.Theme.Dim.Render(f.Theme.Signs.Down+" "+screen.Plural(below+1, "line")+" below")
	}
	return screen.Fill(lines, w, f.Height)
}

// page gathers the lines of details.
type page struct {
	f     screen.Frame
	w     int
	lines []string
}

func (p *page) title(text string) {
	if len(p.lines) > 0 {
		p.lines = append(p.lines, "")
	}
	p.lines = append(p.lines, screen.Rule(p.f.Theme, text, p.w))
}

func (p *page) head(text string) {
	for _, l := range screen.Wrap(screen.Line(text), p.w) {
		p.lines = append(p.lines, p.f.Theme.Strong.Render(l))
	}
}

func (p *page) say(label, text string, style lipgloss.Style) {
	p.lines = append(p.lines, screen.Labelled(p.f, label, screen.Line(text), style, p.w)...)
}

// code shows a hash or a like text, which is broken anywhere.
func (p *page) code(label, text string) {
	const column = 12
	w := max(8, p.w-column)
	for text = screen.Line(text); text != ""; label = "" {
		n := min(w, len(text))
		p.lines = append(p.lines, p.f.Theme.Dim.Render(screen.Pad(label, column)+text[:n]))
		text = text[n:]
	}
}

func (v *View) nodeDetails(p *page, n client.VNode) {
	t := p.f.Theme
	id := n.HoldingIdentity
	p.head(id.X500Name)
	p.say("short hash", id.ShortHash, t.Data)
	p.code("full hash", id.FullHash)
	p.say("group", id.GroupID, t.Dim)
	p.say("CPI", n.CPI.Name+" "+n.CPI.Version, t.Text)
	p.code("signer", n.CPI.Signers)
	p.title("state")
	for _, s := range [][2]string{{"flows", n.Flow}, {"start flows", n.FlowStart}, {"peers", n.FlowP2P}, {"vault", n.VaultDB}} {
		sign, style := t.Signs.Ready, t.Good
		if s[1] != "ACTIVE" {
			sign, style = t.Signs.Warning, t.Warn
		}
		p.say(s[0], sign+" "+strings.ToLower(s[1]), style)
	}
	v.databaseDetails(p, id.ShortHash)
	v.keyDetails(p, id.ShortHash)
	p.title("actions")
	p.lines = append(p.lines, t.Key.Render("o")+t.Dim.Render(" browse its vault   ")+t.Key.Render("s")+t.Dim.Render(" SQL   ")+t.Key.Render("l")+t.Dim.Render(" its log lines"))
}

func (v *View) databaseDetails(p *page, hash string) {
	t := p.f.Theme
	p.title("databases")
	known := map[string]sandbox.DatabaseInfo{}
	for _, d := range v.databases {
		known[d.Name] = d
	}
	for _, kind := range kinds() {
		d, ok := known[hash+"/"+kind]
		if !ok {
			p.say(kind, "size not known", t.Dim)
			continue
		}
		p.say(kind, fmt.Sprintf("%s, %s, %s", screen.Plural(d.Tables, "table"), screen.Bytes(d.Bytes), screen.Plural(d.Sessions, "session")), t.Text)
		p.say("", "schema "+d.Schema, t.Dim)
	}
}

func (v *View) keyDetails(p *page, hash string) {
	t := p.f.Theme
	p.title("keys")
	k, ok := v.wrapping[hash]
	switch {
	case !ok:
		p.say("wrapping", "reading…", t.Dim)
		return
	case k.err != nil:
		p.say("wrapping", t.Signs.Warning+" "+k.err.Error(), t.Warn)
		return
	case len(k.wrapping) == 0:
		p.say("wrapping", t.Signs.Warning+" none yet: a crypto worker makes it", t.Warn)
	}
	for i, one := range k.wrapping {
		label := "wrapping"
		if i > 0 {
			label = ""
		}
		p.say(label, one, t.Text)
	}
	p.say("signing", screen.Plural(k.signing, "key"), t.Text)
}

func (v *View) creationDetails(p *page, c creation) {
	t := p.f.Theme
	p.head(c.name)
	p.say("short hash", c.id, t.Data)
	p.say("CPI", c.cpi.ID.Name+" "+c.cpi.ID.Version, t.Text)
	state, style := v.rowState(p.f, row{creation: &c})
	p.say("state", state, style)
	p.say("asked for", screen.Ago(p.f.Now.Sub(c.since))+" ago", t.Dim)
	if c.reason != "" {
		p.title("reason")
		for _, l := range screen.Wrap(strings.Join(screen.Lines(c.reason), "\n"), p.w) {
			p.lines = append(p.lines, t.Bad.Render(l))
		}
		p.lines = append(p.lines, "", t.Key.Render("x")+t.Dim.Render(" dismiss"))
	}
}

// cpk is what the details tell of a CPK.
type cpk struct {
	ID struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"id"`
	Type string `json:"type"`
	Hash string `json:"hash"`
}

func (v *View) cpiDetails(p *page, c client.CPI) {
	t := p.f.Theme
	p.head(c.ID.Name + " " + c.ID.Version)
	p.say("checksum", c.Checksum, t.Data)
	p.code("in full", c.FullChecksum)
	p.code("signer", c.ID.Signers)
	p.say("uploaded", c.Timestamp.Local().Format(time.DateTime), t.Text)
	p.say("nodes", fmt.Sprint(v.uses(c)), t.Text)
	p.title("CPKs")
	var cpks []cpk
	if err := json.Unmarshal(c.CPKs, &cpks); err != nil || len(cpks) == 0 {
		p.lines = append(p.lines, t.Dim.Render("none are listed"))
	}
	for _, k := range cpks {
		p.say(strings.ToLower(k.Type), k.ID.Name+" "+k.ID.Version, t.Text)
		p.code("", k.Hash)
	}
	v.policyDetails(p, c)
	p.title("actions")
	p.lines = append(p.lines, t.Key.Render("n")+t.Dim.Render(" make a virtual node of it"))
}

func (v *View) policyDetails(p *page, c client.CPI) {
	t := p.f.Theme
	p.title("group")
	if group := groupOf(c); group != "" {
		p.say("id", group, t.Text)
	} else {
		p.say("id", "made with the MGM's virtual node", t.Text)
	}
	var policy struct {
		Template *struct {
			Static *struct {
				Members []struct {
					Name string `json:"name"`
				} `json:"members"`
			} `json:"staticNetwork"`
		} `json:"protocolParameters"`
	}
	if json.Unmarshal([]byte(c.GroupPolicy), &policy) != nil || policy.Template == nil || policy.Template.Static == nil {
		return
	}
	for i, m := range policy.Template.Static.Members {
		label := "members"
		if i > 0 {
			label = ""
		}
		p.say(label, m.Name, t.Text)
	}
}
