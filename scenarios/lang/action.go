package lang

import (
	"maps"

	"github.com/goccy/go-yaml/ast"
)

func (d *decoder) rest(n ast.Node) Action {
	var a REST
	got := d.entries(n, "rest", "method", "path", "query", "json", "raw", "form", "file", "user", "password")
	d.required(n, "rest", got, "method", "path")
	bodies := 0
	for _, e := range got {
		v := func() *Value { x := d.value(e.value); return &x }
		switch e.key {
		case "method":
			a.Method = d.oneOf(e.value, "method", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")
		case "path":
			a.Path = d.value(e.value)
		case "query":
			a.Query = d.values(e.value, "query")
		case "json":
			a.JSON = v()
			bodies++
		case "raw":
			a.Raw = v()
			bodies++
		case "form":
			a.Form = d.values(e.value, "form")
		case "file":
			parts := d.entries(e.value, "file", "field", "path")
			d.required(e.value, "file", parts, "field", "path")
			a.File = &RESTFile{}
			bodies++
			for _, p := range parts {
				if p.key == "field" {
					a.File.Field = d.value(p.value)
				} else {
					a.File.Path = d.value(p.value)
				}
			}
		case "user":
			a.User = v()
		case "password":
			a.Pass = v()
		}
	}
	if bodies > 1 {
		d.fault(d.pos(n), "rest has more than one body; give one of json, raw and file")
	}
	return a
}

func (d *decoder) values(n ast.Node, what string) map[string]Value {
	out := map[string]Value{}
	for _, e := range d.entries(n, what) {
		out[e.key] = d.value(e.value)
	}
	return out
}

func (d *decoder) notary(n ast.Node) Action {
	var a Notary
	got := d.entries(n, "notary", "vnode", "requests")
	d.required(n, "notary", got, "vnode", "requests")
	for _, e := range got {
		if e.key == "vnode" {
			a.VirtualNode = d.value(e.value)
			continue
		}
		for _, item := range d.list(e.value, "requests") {
			a.Requests = append(a.Requests, d.notaryRequest(item))
		}
	}
	return a
}

func (d *decoder) notaryRequest(n ast.Node) NotaryRequest {
	var r NotaryRequest
	got := d.entries(n, "a request", "txId", "inputStates", "referenceStates", "numOutputStates", "timeWindowLowerBound",
		"timeWindowUpperBound", "originatorX500Name")
	d.required(n, "a request", got, "txId")
	for _, e := range got {
		v := d.value(e.value)
		switch e.key {
		case "txId":
			r.TxID = v
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
	got := d.entries(n, "sql", "database", "query", "args")
	d.required(n, "sql", got, "database", "query")
	for _, e := range got {
		switch e.key {
		case "database":
			a.Database = d.value(e.value)
		case "query":
			a.Query = d.value(e.value)
		case "args":
			for _, item := range d.list(e.value, "args") {
				a.Args = append(a.Args, d.value(item))
			}
		}
	}
	return a
}

func (d *decoder) worker(n ast.Node) Action {
	var a Worker
	got := d.entries(n, "worker", "kill", "restart", "scale")
	if len(got) != 1 {
		d.fault(d.pos(n), "worker needs one of kill, restart and scale")
		return a
	}
	a.Op = got[0].key
	if a.Op != "scale" {
		a.Node = d.value(got[0].value)
		return a
	}
	counts := d.entries(got[0].value, "scale", roles()...)
	if len(counts) != 1 {
		d.fault(d.pos(got[0].value), "scale takes one worker type and its number, as in {database: 2}")
		return a
	}
	a.Role = counts[0].key
	a.Replicas = d.number(counts[0].value, "the number of replicas", 1, maxReplicas)
	return a
}

func (d *decoder) clock(n ast.Node) Action {
	var a Clock
	got := d.entries(n, "clock", "freeze", "set", "advance", "resume")
	if len(got) != 1 {
		d.fault(d.pos(n), "clock needs one of freeze, set, advance and resume")
		return a
	}
	a.Op = got[0].key
	if a.Op == "resume" {
		if !d.boolean(got[0].value, "resume") {
			d.fault(d.pos(got[0].value), "resume must be true")
		}
		return a
	}
	a.Value = d.value(got[0].value)
	return a
}

func (d *decoder) pkg(n ast.Node) Action {
	a := Package{Content: "sample"}
	got := d.entries(n, "package", "cpi", "version", "content", "members", "damage", "groupId")
	d.required(n, "package", got, "cpi")
	for _, e := range got {
		v := func() *Value { x := d.value(e.value); return &x }
		switch e.key {
		case "cpi":
			a.CPI = d.value(e.value)
		case "version":
			a.Version = v()
		case "content":
			a.Content = d.oneOf(e.value, "content", "notary", "sample")
		case "members":
			a.Members = v()
		case "groupId":
			a.GroupID = v()
		case "damage":
			a.Damage = d.oneOf(e.value, "damage", "unsigned", "truncated", "altered")
		}
	}
	return a
}

func (d *decoder) parallel(n ast.Node) Action { return Parallel{Steps: d.steps(n)} }

func (d *decoder) each(n ast.Node) Action {
	a := Each{From: 1}
	got := d.entries(n, "each", "var", "from", "to", "parallel", "steps")
	d.required(n, "each", got, "var", "to", "steps")
	outside := maps.Clone(d.compiler.known) // what is saved inside is not seen after
	defer func() { d.compiler.known = outside }()
	for _, e := range got {
		switch e.key {
		case "var":
			a.Var = d.text(e.value, "var")
			d.declare(d.pos(e.value), a.Var)
		case "from":
			a.From = d.number(e.value, "from", 0, maxSteps)
		case "to":
			a.To = d.number(e.value, "to", 0, maxSteps)
		case "parallel":
			a.Parallel = d.boolean(e.value, "parallel")
		}
	}
	for _, e := range got {
		if e.key == "steps" {
			a.Steps = d.steps(e.value)
		}
	}
	return a
}
