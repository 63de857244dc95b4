package lang

import (
	"maps"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func (d *decoder) rest(n ast.Node) Action {
	var a REST
	got := d.Entries(n, "rest", "method", "path", "query", "json", "raw", "form", "file", "user", "password")
	d.Required(n, "rest", got, "method", "path")
	bodies := 0
	for _, e := range got {
		v := func() *Value { x := d.value(e.Value); return &x }
		switch e.Key {
		case "method":
			a.Method = d.OneOf(e.Value, "method", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")
		case "path":
			a.Path = d.path(e.Value)
		case "query":
			a.Query = d.values(e.Value, "query")
		case "json":
			a.JSON = v()
			bodies++
		case "raw":
			a.Raw = v()
			bodies++
		case "form":
			a.Form = d.values(e.Value, "form")
		case "file":
			parts := d.Entries(e.Value, "file", "field", "path")
			d.Required(e.Value, "file", parts, "field", "path")
			a.File = &RESTFile{}
			bodies++
			for _, p := range parts {
				if p.Key == "field" {
					a.File.Field = d.value(p.Value)
				} else {
					a.File.Path = d.value(p.Value)
				}
			}
		case "user":
			a.User = v()
		case "password":
			a.Pass = v()
		}
	}
	if bodies > 1 {
		d.Fault(d.Pos(n), "rest has more than one body; give one of json, raw and file")
	}
	return a
}

// path is the path of a REST request; one that is written out must begin with a slash.
func (d *decoder) path(n ast.Node) Value {
	v := d.text(n, "path")
	if literal, ok := v.node.(string); ok && d.Clean(v.Pos) && !strings.HasPrefix(literal, "/") {
		d.Fault(v.Pos, "path is %q; it must begin with /, and is below /api/v1", literal)
	}
	return v
}

func (d *decoder) values(n ast.Node, what string) map[string]Value {
	out := map[string]Value{}
	for _, e := range d.Entries(n, what) {
		out[e.Key] = d.value(e.Value)
	}
	return out
}

func (d *decoder) notary(n ast.Node) Action {
	var a Notary
	got := d.Entries(n, "notary", "vnode", "requests")
	d.Required(n, "notary", got, "vnode", "requests")
	for _, e := range got {
		if e.Key == "vnode" {
			a.VirtualNode = d.text(e.Value, e.Key)
			continue
		}
		for _, item := range d.some(e.Value, "requests") {
			a.Requests = append(a.Requests, d.notaryRequest(item))
		}
	}
	return a
}

func (d *decoder) notaryRequest(n ast.Node) NotaryRequest {
	var r NotaryRequest
	got := d.Entries(n, "a request", "txId", "inputStates", "referenceStates", "numOutputStates", "timeWindowLowerBound",
		"timeWindowUpperBound", "originatorX500Name")
	d.Required(n, "a request", got, "txId")
	for _, e := range got {
		v := d.value(e.Value)
		switch e.Key {
		case "txId":
			r.TxID = d.text(e.Value, e.Key)
		case "inputStates":
			r.Inputs = &v
		case "referenceStates":
			r.References = &v
		case "numOutputStates":
			r.Outputs = &v
		case "timeWindowLowerBound":
			r.LowerBound = &v
		case "timeWindowUpperBound":
			r.UpperBound = &v
		case "originatorX500Name":
			r.Originator = &v
		}
	}
	return r
}

func (d *decoder) sql(n ast.Node) Action {
	var a SQL
	got := d.Entries(n, "sql", "database", "query", "args")
	d.Required(n, "sql", got, "database", "query")
	for _, e := range got {
		switch e.Key {
		case "database":
			a.Database = d.text(e.Value, e.Key)
		case "query":
			a.Query = d.text(e.Value, e.Key)
		case "args":
			for _, item := range d.List(e.Value, "args") {
				a.Args = append(a.Args, d.value(item))
			}
		}
	}
	return a
}

func (d *decoder) worker(n ast.Node) Action {
	var a Worker
	got := d.Entries(n, "worker", "kill", "restart", "scale")
	if len(got) != 1 {
		d.Fault(d.Pos(n), "worker needs one of kill, restart and scale")
		return a
	}
	a.Op = got[0].Key
	if a.Op != "scale" {
		a.Node = d.text(got[0].Value, a.Op)
		return a
	}
	counts := d.Entries(got[0].Value, "scale", roles()...)
	if len(counts) != 1 {
		d.Fault(d.Pos(got[0].Value), "scale takes one worker type and its number, as in {database: 2}")
		return a
	}
	a.Role = counts[0].Key
	a.Replicas = d.Number(counts[0].Value, "the number of replicas", 1, maxReplicas)
	return a
}

func (d *decoder) clock(n ast.Node) Action {
	var a Clock
	got := d.Entries(n, "clock", "freeze", "set", "advance", "resume")
	if len(got) != 1 {
		d.Fault(d.Pos(n), "clock needs one of freeze, set, advance and resume")
		return a
	}
	a.Op = got[0].Key
	if a.Op == "resume" {
		if !d.Bool(got[0].Value, "resume") {
			d.Fault(d.Pos(got[0].Value), "resume must be true")
		}
		return a
	}
	a.Value = d.text(got[0].Value, a.Op)
	literal, ok := a.Value.node.(string)
	switch {
	case !ok || literal == "": // an expression, or a fault that has been noted
	case a.Op == "advance":
		if by, err := time.ParseDuration(literal); err != nil || by == 0 {
			d.Fault(a.Value.Pos, "advance is %q; it must be a duration such as 90s, 15m or -1h30m", literal)
		}
	default:
		if _, err := time.Parse(time.RFC3339Nano, literal); err != nil {
			d.Fault(a.Value.Pos, "%s is %q; it must be a time such as 2030-06-01T12:00:00Z", a.Op, literal)
		}
	}
	return a
}

func (d *decoder) pkg(n ast.Node) Action {
	a := Package{Content: "sample"}
	got := d.Entries(n, "package", "cpi", "version", "content", "members", "damage", "groupId")
	d.Required(n, "package", got, "cpi")
	for _, e := range got {
		v := func() *Value { x := d.value(e.Value); return &x }
		switch e.Key {
		case "cpi":
			a.CPI = d.text(e.Value, e.Key)
		case "version":
			a.Version = v()
		case "content":
			a.Content = d.OneOf(e.Value, "content", "notary", "sample")
		case "members":
			a.Members = v()
		case "groupId":
			a.GroupID = v()
		case "damage":
			a.Damage = d.OneOf(e.Value, "damage", "unsigned", "truncated", "altered")
		}
	}
	return a
}

func (d *decoder) parallel(n ast.Node) Action { return Parallel{Steps: d.steps(n)} }

func (d *decoder) each(n ast.Node) Action {
	a := Each{From: 1}
	got := d.Entries(n, "each", "var", "from", "to", "parallel", "steps")
	d.Required(n, "each", got, "var", "to", "steps")
	var to ast.Node
	outside := maps.Clone(d.compiler.known) // what is saved inside is not seen after
	defer func() { d.compiler.known = outside }()
	for _, e := range got {
		switch e.Key {
		case "var":
			a.Var = d.Text(e.Value, "var")
			d.declare(d.Pos(e.Value), a.Var)
		case "from":
			a.From = d.Number(e.Value, "from", 0, maxSteps)
		case "to":
			a.To = d.Number(e.Value, "to", 0, maxSteps)
			to = e.Value
		case "parallel":
			a.Parallel = d.Bool(e.Value, "parallel")
		}
	}
	if to != nil && a.To < a.From {
		d.Fault(d.Pos(to), "to is %d, and from is %d: there would be no round", a.To, a.From)
	}
	for _, e := range got {
		if e.Key == "steps" {
			a.Steps = d.steps(e.Value)
		}
	}
	return a
}
