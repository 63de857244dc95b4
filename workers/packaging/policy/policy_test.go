package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/policy"
)

const groupID = "7c5d6948-e17b-44e7-9d1c-fa4a3f667cad"

func root(t testing.TB) string {
	t.Helper()
	k, err := cert.New(cert.Options{CA: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(cert.PEM(k.Chain...))
}

func static(t testing.TB, names ...string) []byte {
	t.Helper()
	g := policy.StaticGroup{GroupID: groupID, TrustRoots: []string{root(t)}}
	for _, n := range names {
		g.Members = append(g.Members, policy.StaticMember{Name: n, Endpoint: "https://gw:8080"})
	}
	text, err := g.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// edit changes a policy at a path; a nil value takes the property away.
func edit(t testing.TB, text []byte, value any, path ...string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	at := doc
	for _, p := range path[:len(path)-1] {
		at = at[p].(map[string]any)
	}
	last := path[len(path)-1]
	if value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParse(t *testing.T) {
	t.Parallel()
	s := static(t, "O=Alice, L=London, C=GB")
	member := edit(t, edit(t, s, nil, "protocolParameters", "staticNetwork"), map[string]string{"corda.name": "O=MGM, L=London, C=GB"}, "mgmInfo")
	mgm, err := policy.MGMText()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text []byte
		kind policy.Kind
		tls  string
	}{
		"static":                    {s, policy.Static, "ONE_WAY"},
		"static without members":    {static(t), policy.Static, "ONE_WAY"},
		"member":                    {member, policy.Member, "ONE_WAY"},
		"MGM":                       {mgm, policy.MGM, ""},
		"MGM with free parameters":  {edit(t, mgm, map[string]any{"staticNetwork": 5}, "protocolParameters"), policy.MGM, ""},
		"unknown keys at the root":  {edit(t, s, "x", "somethingElse"), policy.Static, "ONE_WAY"},
		"key policy of other case":  {edit(t, s, "DISTINCT", "protocolParameters", "sessionKeyPolicy"), policy.Static, "ONE_WAY"},
		"no session PKI":            {edit(t, edit(t, s, "NoPKI", "p2pParameters", "sessionPki"), nil, "p2pParameters", "sessionTrustRoots"), policy.Static, "ONE_WAY"},
		"mutual TLS":                {edit(t, edit(t, s, "Mutual", "p2pParameters", "tlsType"), "O=MGM, L=London, C=GB", "p2pParameters", "mtlsMgmClientCertificateSubject"), policy.Static, "MUTUAL"},
		"names of other case count": {edit(t, s, map[string]any{"x": 1}, "MGMINFO"), policy.Static, "ONE_WAY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if p.Kind != tc.kind || p.ClusterTLSType() != tc.tls || p.MGMInfo != nil && tc.kind != policy.Member || len(p.Warnings) != 0 {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	s := static(t, "O=Alice, L=London, C=GB")
	mgm, err := policy.MGMText()
	if err != nil {
		t.Fatal(err)
	}
	p2p := func(value any, key string) []byte { return edit(t, s, value, "p2pParameters", key) }
	for name, tc := range map[string]struct {
		text []byte
		want []string // all of them
	}{
		"nothing":                     {nil, []string{"not a JSON document"}},
		"text":                        {[]byte("hello"), []string{"not a JSON document"}},
		"two documents":               {append(slices.Clone(s), s...), []string{"not a JSON document"}},
		"a list":                      {[]byte("[]"), []string{"an object is needed"}},
		"null":                        {[]byte("null"), []string{"fileFormatVersion"}},
		"no version":                  {edit(t, s, nil, "fileFormatVersion"), []string{"/fileFormatVersion: a whole number"}},
		"version 2":                   {edit(t, s, 2, "fileFormatVersion"), []string{"version 2 is not known, only 1 is"}},
		"version as text":             {edit(t, s, "1", "fileFormatVersion"), []string{"a whole number"}},
		"no group id":                 {edit(t, s, nil, "groupId"), []string{"groupId"}},
		"a blank group id":            {edit(t, s, " ", "groupId"), []string{"/groupId"}},
		"a group id that is no UUID":  {edit(t, s, "my-group", "groupId"), []string{"/groupId"}},
		"no registration":             {edit(t, s, nil, "registrationProtocol"), []string{"registrationProtocol"}},
		"no cipher suite":             {edit(t, s, nil, "cipherSuite"), []string{"cipherSuite"}},
		"no p2p parameters":           {edit(t, s, nil, "p2pParameters"), []string{"p2pParameters"}},
		"no protocol parameters":      {edit(t, s, nil, "protocolParameters"), []string{"protocolParameters"}},
		"a key policy nobody knows":   {edit(t, s, "Shared", "protocolParameters", "sessionKeyPolicy"), []string{`"Shared" is neither`}},
		"members that are no objects": {edit(t, s, []any{"Alice"}, "protocolParameters", "staticNetwork", "members"), []string{"/protocolParameters/staticNetwork/members/0"}},
		"a cipher suite of numbers":   {edit(t, s, map[string]any{"x": 1}, "cipherSuite"), []string{"/cipherSuite/x"}},
		"mgmInfo of a static group":   {edit(t, s, map[string]any{"corda.name": "x"}, "mgmInfo"), []string{"/mgmInfo"}},
		"a member group without MGM":  {edit(t, s, nil, "protocolParameters", "staticNetwork"), []string{"mgmInfo"}},
		"MGM with p2p parameters":     {edit(t, mgm, map[string]any{}, "p2pParameters"), []string{"/p2pParameters"}},
		"MGM with a cipher suite":     {edit(t, mgm, map[string]any{}, "cipherSuite"), []string{"/cipherSuite"}},
		"no TLS roots":                {p2p(nil, "tlsTrustRoots"), []string{"tlsTrustRoots"}},
		"an empty list of TLS roots":  {p2p([]any{}, "tlsTrustRoots"), []string{"/p2pParameters/tlsTrustRoots"}},
		"no session roots":            {p2p(nil, "sessionTrustRoots"), []string{"sessionTrustRoots"}},
		"an empty list of them":       {p2p([]any{}, "sessionTrustRoots"), []string{"/p2pParameters/sessionTrustRoots"}},
		"TLS 1.1":                     {p2p("1.1", "tlsVersion"), []string{"/p2pParameters/tlsVersion"}},
		"unknown modes, all told":     {edit(t, p2p("x", "tlsType"), "y", "p2pParameters", "protocolMode"), []string{"/p2pParameters/tlsType", "/p2pParameters/protocolMode"}},
		"bad certificates by index":   {p2p([]any{root(t), "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "tlsTrustRoots"), []string{"/p2pParameters/tlsTrustRoots/1: it is not a PEM", "/p2pParameters/tlsTrustRoots/2: it is not an X.509"}},
		"a bad mutual TLS subject":    {p2p("nobody", "mtlsMgmClientCertificateSubject"), []string{"/p2pParameters/mtlsMgmClientCertificateSubject"}},
		"a name of other case only":   {[]byte(strings.Replace(string(s), `"groupId"`, `"groupID"`, 1)), []string{"groupId"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse(tc.text)
			if fault.KindOf(err) != fault.Validation {
				t.Fatalf("got %+v, kind %q, %v; want a ValidationException", p, fault.KindOf(err), err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
		})
	}
}

// What encoding/json would take for a property, the schema does not; the schema decides.
func TestNamesOfOtherCaseAreOtherNames(t *testing.T) {
	t.Parallel()
	s := string(static(t))
	p, err := policy.Parse([]byte(strings.Replace(s, `"groupId"`, `"groupid": "CREATE_ID", "groupId"`, 1)))
	if err != nil || p.GroupID != groupID || p.Kind != policy.Static {
		t.Errorf("got %+v, %v", p, err)
	}
	p, err = policy.Parse([]byte(strings.Replace(s, `"tlsType"`, `"TLSTYPE": "Mutual", "tlsType"`, 1)))
	if err != nil || p.P2P.TLSType != "OneWay" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	member := func(values map[string]any) []byte {
		m := map[string]any{"name": "O=Alice, L=London, C=GB", "endpointUrl-1": "https://gw:8080", "endpointProtocol-1": 1}
		for k, v := range values {
			m[k] = v
			if v == nil {
				delete(m, k)
			}
		}
		return edit(t, static(t), []any{m}, "protocolParameters", "staticNetwork", "members")
	}
	for name, tc := range map[string]struct {
		text []byte
		warn string
	}{
		"as it should be":      {member(nil), ""},
		"protocol as text":     {member(map[string]any{"endpointProtocol-1": "1"}), ""},
		"two endpoints":        {member(map[string]any{"endpointUrl-2": "https://b:1", "endpointProtocol-2": 1}), ""},
		"no name":              {member(map[string]any{"name": nil}), "members/0"},
		"a bad name":           {member(map[string]any{"name": "Alice"}), "members/0"},
		"no endpoint":          {member(map[string]any{"endpointUrl-1": nil, "endpointProtocol-1": nil}), "0 endpoint addresses"},
		"no protocol":          {member(map[string]any{"endpointProtocol-1": nil}), "1 endpoint addresses and 0"},
		"a gap":                {member(map[string]any{"endpointUrl-3": "https://b:1", "endpointProtocol-3": 1}), "endpointUrl-2 is missing"},
		"a protocol of halves": {member(map[string]any{"endpointProtocol-1": 1.5}), "a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse(tc.text)
			if err != nil {
				t.Fatalf("got %v: Corda takes the policy, and so must we", err)
			}
			if all := strings.Join(p.Warnings, "\n"); tc.warn == "" && all != "" || !strings.Contains(all, tc.warn) {
				t.Errorf("warnings %q, want %q", all, tc.warn)
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse(static(t, "C=GB, L=Leeds, O=Bob"))
	if err != nil {
		t.Fatal(err)
	}
	m := p.ProtocolParameters.StaticNetwork.Members[0]
	endpoints, err := m.Endpoints()
	if err != nil || len(endpoints) != 1 || endpoints[0] != (policy.Endpoint{URL: "https://gw:8080", Protocol: 1}) {
		t.Errorf("endpoints %v, %v", endpoints, err)
	}
	if m.Name() != "O=Bob, L=Leeds, C=GB" || m["memberStatus"] != "ACTIVE" {
		t.Errorf("member %v; its name must be canonical", m)
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		g    policy.StaticGroup
		want string
	}{
		"a bad name":          {policy.StaticGroup{GroupID: groupID, Members: []policy.StaticMember{{Name: "Alice"}}}, "Alice"},
		"a name twice":        {policy.StaticGroup{GroupID: groupID, Members: []policy.StaticMember{{Name: "O=A, L=B, C=GB"}, {Name: "C=GB, O=A, L=B"}}}, "listed twice"},
		"no trust roots":      {policy.StaticGroup{GroupID: groupID}, "TrustRoots"},
		"no UUID":             {policy.StaticGroup{GroupID: "x", TrustRoots: []string{root(t)}}, "/groupId"},
		"CREATE_ID as the id": {policy.StaticGroup{GroupID: "CREATE_ID", TrustRoots: []string{root(t)}}, "/p2pParameters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tc.g.Text(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error saying %q", err, tc.want)
			}
		})
	}
}

// FuzzParse: no input panics, and what is accepted is of one kind with what that kind needs.
func FuzzParse(f *testing.F) {
	f.Add(static(f, "O=Alice, L=London, C=GB"))
	mgm, err := policy.MGMText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mgm)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Parse(text)
		if err != nil {
			if fault.KindOf(err) == "" {
				t.Errorf("an error that is no fault: %v", err)
			}
			return
		}
		switch p.Kind {
		case policy.MGM:
			if p.P2P != nil || p.GroupID != policy.CreateID {
				t.Errorf("%+v", p)
			}
		case policy.Static, policy.Member:
			if p.P2P == nil || p.ProtocolParameters == nil || (p.MGMInfo != nil) != (p.Kind == policy.Member) {
				t.Errorf("%+v", p)
			}
		default:
			t.Errorf("kind %q", p.Kind)
		}
	})
}
