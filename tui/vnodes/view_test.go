package vnodes

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/tui/screen"
	"github.com/cordage-sandbox/cordage/tui/tuitest"
)

func TestMain(m *testing.M) {
	tuitest.UTC()
	os.Exit(m.Run())
}

// cluster stands in for a sandbox where only the view is looked at; a script runs the whole UI against a real one.
type cluster struct {
	nodes    []client.VNode
	cpis     []client.CPI
	status   []client.VNodeStatus // answers one after the other; the last one again
	stored   []error
	imported []string
	created  []string
	err      error
}

func (c *cluster) Credentials(context.Context) (sandbox.Credentials, error) {
	return sandbox.Credentials{}, nil
}

func (c *cluster) Databases(context.Context) ([]sandbox.DatabaseInfo, error) {
	var all []sandbox.DatabaseInfo
	for _, n := range c.nodes {
		hash := n.HoldingIdentity.ShortHash
		for i, kind := range kinds() {
			all = append(all, sandbox.DatabaseInfo{
				Name: hash + "/" + kind, VNode: hash, Owner: n.HoldingIdentity.X500Name, Database: "cordacluster",
				Schema: "vnode_" + kind + "_" + strings.ToLower(hash), Bytes: int64(i+1) * 131072, Tables: 9 - i, Sessions: i,
			})
		}
	}
	return all, nil
}

func (c *cluster) Rows(_ context.Context, _, table string, _ sandbox.Page) (sandbox.Rows, error) {
	if table != "crypto_wrapping_key" {
		return sandbox.Rows{}, nil
	}
	return sandbox.Rows{
		Columns: []sandbox.Column{{Name: "alias"}, {Name: "generation"}, {Name: "algorithm_name"}},
		Rows:    [][]sandbox.Cell{{{Text: "9F2C41D07A55"}, {Text: "1"}, {Text: "AES"}}},
	}, nil
}

func (c *cluster) VNodes(context.Context) ([]client.VNode, error) { return c.nodes, c.err }
func (c *cluster) CPIs(context.Context) ([]client.CPI, error)     { return c.cpis, c.err }

func (c *cluster) CreateVNode(_ context.Context, name, checksum string) (string, error) {
	if strings.Contains(name, "Refused") {
		return "", &client.RefusedError{Attempt: "POST /virtualnode", Status: 409, Title: "Virtual node is being created already"}
	}
	c.created = append(c.created, name+" "+checksum)
	return "ABCDEF012345", nil
}

func (c *cluster) VNodeStatus(context.Context, string) (client.VNodeStatus, error) {
	s := c.status[0]
	if len(c.status) > 1 {
		c.status = c.status[1:]
	}
	if s.Status == "SUCCEEDED" {
		c.nodes = append(c.nodes, vnode("O=Carol, L=Oslo, C=NO", "ABCDEF012345"))
	}
	return s, nil
}

func (c *cluster) UploadCPI(_ context.Context, _ string, progress func(int64)) (string, error) {
	progress(1 << 20)
	return "6f1c2a", nil
}

func (c *cluster) CPIStatus(context.Context, string) (client.CPIStatus, error) {
	err := c.stored[0]
	if len(c.stored) > 1 {
		c.stored = c.stored[1:]
	}
	return client.CPIStatus{Status: "OK", Checksum: "51AFC5C8F6E1"}, err
}

func (c *cluster) ImportCertificate(_ context.Context, usage, alias, path string) error {
	c.imported = append(c.imported, usage+" "+alias+" "+filepath.Base(path))
	return nil
}

const group = "8c5d6948-e17b-44e7-9d1c-fa4a3f667cad"

func vnode(name, hash string) (n client.VNode) {
	n.HoldingIdentity.X500Name, n.HoldingIdentity.ShortHash, n.HoldingIdentity.GroupID = name, hash, group
	n.HoldingIdentity.FullHash = hash + strings.Repeat("0A1B2C3D4E5F", 5)[:52]
	n.CPI = client.CPIID{Name: "trading", Version: "1.2", Signers: "SHA-256:73E0A9C1"}
	n.FlowP2P, n.FlowStart, n.Flow, n.VaultDB = "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"
	return n
}

func newCluster() *cluster {
	policy := `{"groupId":"` + group + `","protocolParameters":{"staticNetwork":{"members":[{"name":"O=Alice, L=London, C=GB"},{"name":"O=Bob, L=Paris, C=FR"}]}}}`
	maintenance := vnode("CN=Notary, O=Acme, L=Zurich, C=CH", "0D1E2F3A4B5C")
	maintenance.FlowStart = "MAINTENANCE"
	return &cluster{
		nodes: []client.VNode{vnode("O=Alice, L=London, C=GB", "226D5D9460A4"), vnode("O=Bob, L=Paris, C=FR", "F1E2D3C4B5A6"), maintenance},
		cpis: []client.CPI{{
			ID: client.CPIID{Name: "trading", Version: "1.2", Signers: "SHA-256:73E0A9C1"}, Checksum: "AA11BB22CC33", FullChecksum: "AA11BB22CC33" + strings.Repeat("4D", 26),
			GroupPolicy: policy, Timestamp: tuitest.Now().Add(-90 * time.Second),
			CPKs: json.RawMessage(`[{"id":{"name":"com.example.contracts","version":"1.2.0"},"type":"CONTRACT","hash":"SHA-256:0102"},{"id":{"name":"com.example.flows","version":"1.2.0"},"type":"WORKFLOW","hash":"SHA-256:0304"}]`),
		}, {
			ID: client.CPIID{Name: "notary", Version: "5.0.0.0"}, Checksum: "51AFC5C8F6E1", FullChecksum: "51AFC5C8F6E1" + strings.Repeat("00", 26), GroupPolicy: policy,
			Timestamp: tuitest.Now().Add(-26 * time.Hour),
		}},
		stored: []error{nil}, status: []client.VNodeStatus{{Status: "SUCCEEDED"}},
	}
}

// shown is the view of a cluster, with the lists read.
func shown(t *testing.T, c *cluster) (*tuitest.View, *View) {
	t.Helper()
	v := New(c)
	v.dial = func(context.Context) (Cluster, error) { return c, c.err }
	d := tuitest.NewView(v).Events(tuitest.Snapshot(t))
	v.loading = false
	d.Run(v.load())
	v.loaded = tuitest.Now()
	return d, v
}

func TestLists(t *testing.T) {
	d, _ := shown(t, newCluster())
	d.Press("down")
	d.Golden(t)
}

func TestDetails(t *testing.T) {
	d, _ := shown(t, newCluster())
	d.Press("enter")
	d.Golden(t)
}

func TestCPIDetails(t *testing.T) {
	d, _ := shown(t, newCluster())
	d.Press("c", "enter")
	d.Golden(t)
}

func TestEmpty(t *testing.T) {
	d, _ := shown(t, &cluster{})
	d.Golden(t)
}

func TestClusterAway(t *testing.T) {
	c := newCluster()
	c.err = errors.New("ask the cluster's REST API: dial tcp 127.0.0.1:8888: connect: connection refused")
	d, _ := shown(t, c)
	d.Golden(t)
}

func TestWhatWasKnownStays(t *testing.T) {
	c := newCluster()
	d, v := shown(t, c)
	c.err = errors.New("connection refused")
	d.Run(v.load())
	v.fresh = tuitest.Now().Add(-7 * time.Second)
	if text := d.Text(80, 24); !strings.Contains(text, "O=Alice") || !strings.Contains(text, "as of 7s ago: connection refused") {
		t.Errorf("with the cluster away it shows:\n%s", text)
	}
}

func TestCreateForm(t *testing.T) {
	for name, tc := range map[string]struct{ typed, want string }{
		"empty":      {"", "O, L and C are needed"},
		"incomplete": {"O=Dave, L=Rome", "C is missing"},
		"valid":      {"c=IT, o=Dave, l=Rome", "✓ O=Dave, L=Rome, C=IT"},
		"unknown":    {"O=Dave, L=Rome, C=IT, X=1", "X is not one of"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := shown(t, newCluster())
			d.Press("n")
			for _, msg := range tuitest.Type(tc.typed) {
				d.Update(msg)
			}
			if text := d.Text(80, 24); !strings.Contains(text, tc.want) {
				t.Errorf("want %q in:\n%s", tc.want, text)
			}
			d.Golden(t)
		})
	}
}

func TestCreate(t *testing.T) {
	c := newCluster()
	d, v := shown(t, c)
	d.Press("n")
	for _, msg := range tuitest.Type("O=Carol, L=Oslo, C=NO") {
		d.Update(msg)
	}
	d.Press("tab", "down", "enter")
	if !slices.Equal(c.created, []string{"O=Carol, L=Oslo, C=NO 51AFC5C8F6E1"}) {
		t.Fatalf("asked for %q", c.created)
	}
	if v.dialog != nil || len(v.creations) != 0 || !strings.Contains(d.Text(80, 24), "ABCDEF012345") {
		t.Errorf("the node is not listed, or the form is still open:\n%s", d.Text(80, 24))
	}
	told := notices(d)
	if len(told) != 1 || !strings.Contains(told[0].Text, "is there, short hash ABCDEF012345") {
		t.Errorf("told %v", told)
	}
}

func TestCreateFails(t *testing.T) {
	c := newCluster()
	reason := "CPI trading 1.2 has 1 CPKs with tables of their own, which are not supported yet"
	c.status = []client.VNodeStatus{{Status: "IN_PROGRESS"}, {Status: "FAILED", Error: &reason}}
	d, v := shown(t, c)
	d.Press("n")
	for _, msg := range tuitest.Type("O=Carol, L=Oslo, C=NO") {
		d.Update(msg)
	}
	d.Press("enter")
	v.creations[0].since = tuitest.Now().Add(-4 * time.Second)
	if told := notices(d); len(told) != 1 || told[0].Severity != sandbox.Fault || !strings.Contains(told[0].Text, reason) {
		t.Errorf("told %v", told)
	}
	d.Golden(t)
	d.Press("x")
	if len(v.creations) != 0 {
		t.Error("it cannot be dismissed")
	}
}

func TestRefusedAtOnceStaysInTheForm(t *testing.T) {
	d, v := shown(t, newCluster())
	d.Press("n")
	for _, msg := range tuitest.Type("O=Refused, L=Oslo, C=NO") {
		d.Update(msg)
	}
	d.Press("enter")
	if v.dialog == nil || !strings.Contains(d.Text(80, 24), "409") {
		t.Errorf("want the refusal in the form:\n%s", d.Text(80, 24))
	}
}

func TestExistingNodeIsSeenBefore(t *testing.T) {
	c := newCluster()
	hash := (&createForm{cpis: c.cpis, name: screen.NewField("O=Alice, L=London, C=GB")}).judge(&View{}).hash
	c.nodes[0].HoldingIdentity.ShortHash = hash
	d, v := shown(t, c)
	d.Press("n")
	for _, msg := range tuitest.Type("O=Alice, L=London, C=GB") {
		d.Update(msg)
	}
	d.Press("enter")
	if v.dialog == nil || len(c.created) != 0 || !strings.Contains(d.Text(80, 24), "there is this virtual node already") {
		t.Errorf("want it refused before it is asked for:\n%s", d.Text(80, 24))
	}
}

func TestUpload(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"app.cpi", "other.cpi", "readme.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCluster()
	d, v := shown(t, c)
	d.Press("u")
	for _, msg := range tuitest.Type(dir + "/o") {
		d.Update(msg)
	}
	d.Press("t") // its list of files follows
	if text := d.Text(160, 48); !strings.Contains(text, "other.cpi") || strings.Contains(text, "readme.txt") {
		t.Fatalf("the files are not listed:\n%s", text)
	}
	d.Press("tab", "enter")
	if v.upload == nil || v.upload.done != "51AFC5C8F6E1" {
		t.Fatalf("the upload is %+v", v.upload)
	}
	v.upload.name = "other.cpi"
	d.Golden(t)
	d.Press("enter")
	if f, ok := v.dialog.(*createForm); !ok || f.cpi().Checksum != "51AFC5C8F6E1" {
		t.Errorf("enter does not go on to a virtual node of it: %T", v.dialog)
	}
}

func TestUploadRefused(t *testing.T) {
	c := newCluster()
	c.stored = []error{
		&client.RefusedError{Attempt: "GET /cpi/status/6f1c2a", Status: 400, Title: "No upload with request id '6f1c2a' found."}, // not seen yet
		&client.RefusedError{
			Attempt: "GET /cpi/status/6f1c2a", Status: 400, Details: map[string]string{"errorType": "ValidationException"},
			Title: "app.cpi: signature file META-INF/X.SF: the self-signed certificate of the signer CN=Dev is not among the 2 trusted code-signing certificates; " +
				"if you trust it, import the certificate of CN=Dev as a code signer: cordage certificate import ALIAS FILE",
		},
	}
	d, v := shown(t, c)
	d.Press("u")
	form := v.dialog.(*fileForm)
	d.Run(form.take(v, "/data/app.cpi"))
	if v.upload.err == nil || v.dialog == nil {
		t.Fatalf("the upload is %+v", v.upload)
	}
	d.Golden(t)
	d.Press("i")
	if f, ok := v.dialog.(*fileForm); !ok || f.title != "trust a code signer" {
		t.Error("i does not go on to the signer's certificate")
	}
}

func TestUploadOnItsWay(t *testing.T) {
	d, v := shown(t, newCluster())
	u := &upload{name: "app.cpi", path: "/data/app.cpi", size: 40 << 20, sent: 15 << 20, counted: &counted{}}
	v.upload = u
	v.dialog = &fileForm{title: "upload a CPI", upload: u}
	if !v.Moving() {
		t.Error("nothing moves")
	}
	d.Golden(t)
	if _, closed := v.Close(); !closed || !strings.Contains(d.Text(80, 24), "app.cpi") {
		t.Errorf("with the dialog closed the upload is not seen:\n%s", d.Text(80, 24))
	}
}

func TestImportCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "partner.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCluster()
	d, _ := shown(t, c)
	d.Press("i")
	for _, msg := range tuitest.Type(file) {
		d.Update(msg)
	}
	d.Press("enter")
	if !slices.Equal(c.imported, []string{"code-signer partner partner.pem"}) {
		t.Errorf("imported %q", c.imported)
	}
}

func TestDemo(t *testing.T) {
	c := newCluster()
	d, v := shown(t, c)
	var dir string
	v.demo = func(_ context.Context, in, _ string) (string, string, error) {
		dir = in
		return filepath.Join(in, "a.cpi"), filepath.Join(in, "a.pem"), os.WriteFile(filepath.Join(in, "a.cpi"), []byte("cpi"), 0o600)
	}
	d.Press("d")
	if len(c.imported) != 1 || v.upload == nil || v.upload.done == "" {
		t.Errorf("imported %q, upload %+v", c.imported, v.upload)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its files are left in %s", dir)
	}
}

func TestKeysOfANode(t *testing.T) {
	for key, want := range map[string]any{
		"o": screen.GoMsg{View: "data", What: screen.OpenDatabase{Name: "226D5D9460A4/vault"}},
		"l": screen.GoMsg{View: "logs", What: screen.OpenLogs{Match: "226D5D9460A4"}},
	} {
		t.Run(key, func(t *testing.T) {
			d, _ := shown(t, newCluster())
			d.Press(key)
			if len(d.Sent) != 1 {
				t.Fatalf("asked for %v", d.Sent)
			}
			if g, ok := d.Sent[0].(screen.GoMsg); !ok || g.View != want.(screen.GoMsg).View {
				t.Errorf("asked for %v, want %v", d.Sent[0], want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	d, v := shown(t, newCluster())
	d.Update(screen.FilterMsg{Text: "Paris"})
	if rows := v.rows(); len(rows) != 1 || rows[0].hash() != "F1E2D3C4B5A6" {
		t.Errorf("the filter leaves %d rows", len(rows))
	}
}

func notices(d *tuitest.View) (list []screen.Notice) {
	for _, msg := range d.Sent {
		if n, ok := msg.(screen.NoticeMsg); ok {
			list = append(list, n.Notice)
		}
	}
	return list
}

func TestNodesOfOthersAreSeen(t *testing.T) {
	c := newCluster()
	d, v := shown(t, c)
	c.nodes = append(c.nodes, vnode("O=Dave, L=Rome, C=IT", "D0D0D0D0D0D0"))
	d.Run(v.tick(tuitest.Now().Add(5 * time.Second)))
	if !v.listed("D0D0D0D0D0D0") {
		t.Error("a virtual node that somebody else made is not listed")
	}
	if cmd := v.tick(tuitest.Now().Add(6 * time.Second)); cmd != nil {
		t.Error("it is asked again at once")
	}
}
