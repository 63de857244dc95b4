// Package e2e_test goes the whole way: clients, load balancer, two REST workers, database and crypto worker, Kafka and
// PostgreSQL, as processes, with bodies as Corda's own clients send them.
package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/https/httpstest"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/role"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// limit is how long a status may take on a busy machine.
const limit = time.Minute

// sandbox is a whole cluster behind its load balancer.
type sandbox struct {
	url, password string
	client        *http.Client
	rest          []*cluster.Process
	cluster       *cluster.Cluster
}

func start(t *testing.T) *sandbox {
	t.Helper()
	c := cluster.New(t)
	authority := httpstest.New(t)
	s := &sandbox{client: authority.Client(t), password: c.Bootstrap.AdminPassword, cluster: c}
	c.Spawn(t, role.Database)
	c.Spawn(t, role.Crypto)
	balancer := c.Boot(t, role.Balancer)
	address := freeAddress(t)
	balancer.Balancer = &role.BalancerBoot{RESTBoot: authority.Listener(t, address), CA: authority.PEM}
	for range 2 {
		boot := c.Boot(t, role.REST)
		listener := authority.Listener(t, freeAddress(t))
		boot.REST = &listener
		s.rest = append(s.rest, c.SpawnWith(t, boot))
		balancer.Balancer.Upstreams = append(balancer.Balancer.Upstreams,
			role.Upstream{Node: boot.Node, Address: listener.Listen, Monitor: boot.Monitor})
	}
	for _, p := range s.rest {
		c.AwaitReady(t, p.Boot)
	}
	s.url = "https://" + address + "/api/v1"
	c.AwaitReady(t, c.SpawnWith(t, balancer).Boot)
	_, status := cluster.Status(balancer)
	for _, want := range []string{`"upstreams":[`, `"node":"` + s.rest[0].Boot.Node + `"`, `"node":"` + s.rest[1].Boot.Node + `"`} {
		if !strings.Contains(status, want) {
			t.Errorf("the balancer's status lacks %s: %s", want, status)
		}
	}
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

type reply struct {
	status int
	body   string
}

// try sends a request as Corda's tests do: text/plain, or a form.
func (s *sandbox) try(method, path, kind string, body []byte) (reply, error) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.SetBasicAuth(cluster.AdminLogin, s.password)
	req.Header.Set("Content-Type", kind)
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(text)}, err
}

func (s *sandbox) do(t *testing.T, method, path, body string) reply {
	t.Helper()
	r, err := s.try(method, path, "text/plain; charset=UTF-8", []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (s *sandbox) form(t *testing.T, method, path, fileName string, file []byte, fields map[string]string) reply {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile(fileName, fileName+".file")
	if err == nil {
		_, err = part.Write(file)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := s.try(method, path, w.FormDataContentType(), b.Bytes())
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (r reply) is(t *testing.T, status int, parts ...string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, part := range parts {
		if !strings.Contains(r.body, part) {
			t.Errorf("the answer lacks %s: %s", part, r.body)
		}
	}
}

func member[V any](t *testing.T, r reply, name string) V {
	t.Helper()
	all := map[string]json.RawMessage{}
	var v V
	if err := errors.Join(json.Unmarshal([]byte(r.body), &all), json.Unmarshal(all[name], &v)); err != nil {
		t.Fatalf("member %s of %s: %v", name, r.body, err)
	}
	return v
}

// upload sends a CPI and gives the answer that its status ends with.
func (s *sandbox) upload(t *testing.T, file []byte) (end reply) {
	t.Helper()
	r := s.form(t, "POST", "/cpi/", "upload", file, nil)
	r.is(t, 200)
	id := member[string](t, r, "id")
	cluster.Eventually(t, limit, func() error {
		end = s.do(t, "GET", "/cpi/status/"+id, "")
		if end.status == 200 && !strings.Contains(end.body, `"status":"OK"`) || end.status == 400 && strings.Contains(end.body, "No upload") {
			return fmt.Errorf("upload %s: %d %s", id, end.status, end.body)
		}
		return nil
	})
	return end
}

func TestWholeWay(t *testing.T) {
	t.Parallel()
	s := start(t)
	t.Run("config", func(t *testing.T) { t.Parallel(); testConfig(t, s) })
	t.Run("nodes", func(t *testing.T) { t.Parallel(); testNodes(t, s) })
}

func testConfig(t *testing.T, s *sandbox) {
	const section = "corda.reconciliation"
	before := s.do(t, "GET", "/config/"+section, "")
	before.is(t, 200, `"sourceConfig":""`)
	version := member[int](t, before, "version")
	put := func(version int, config string) reply {
		return s.do(t, "PUT", "/config", fmt.Sprintf(
			`{"request":{"section":%q,"version":"%d","config":%s,"schemaVersion":{"major":"1","minor":"0"}}}`, section, version, config))
	}
	put(version, `{"cpiInfoIntervalMs":20000}`).is(t, 202, `"config":"{\"cpiInfoIntervalMs\":20000}"`, fmt.Sprintf(`"version":%d`, version+1))
	cluster.Eventually(t, limit, func() error {
		r := s.do(t, "GET", "/config/"+section, "")
		if !strings.Contains(member[string](t, r, "configWithDefaults"), `"cpiInfoIntervalMs":20000`) || member[int](t, r, "version") != version+1 {
			return fmt.Errorf("not yet: %s", r.body)
		}
		return nil
	})
	put(version, `"{\"cpiInfoIntervalMs\":30000}"`).is(t, 409, "WrongConfigVersionException: ", `"schemaVersion": "1.0"`, `"config": "{\"cpiInfoIntervalMs\":30000}"`)
	put(version+1, `{"cpiInfoIntervalMs":"often"}`).is(t, 400, "Configuration of corda.reconciliation is not valid", "cpiInfoIntervalMs")
	put(version+1, `"a = b"`).is(t, 400, "HOCON is not supported")
	s.do(t, "PUT", "/config", `{"section":"corda.nothing","version":0,"config":{},"schemaVersion":{"major":1,"minor":0}}`).is(t, 400, "corda.nothing")
	s.do(t, "PUT", "/config", `{"section":"corda.rest","version":0,"config":{},"schemaVersion":{"major":2,"minor":0}}`).is(t, 400, "2.0")
	s.do(t, "GET", "/config/corda.nothing", "").is(t, 404, "corda.nothing")
}

func testNodes(t *testing.T, s *sandbox) {
	p, err := cpi.Spec{}.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.upload(t, p.Bytes).is(t, 400, "errorType")
	testCertificates(t, s, p.Certificates)

	end := s.upload(t, p.Bytes)
	short := p.Checksum[len("SHA-256:"):][:12]
	end.is(t, 200, `"cpiFileChecksum":"`+short+`"`)
	s.upload(t, p.Bytes).is(t, 409, "already exists", `"details": {}`)
	cluster.Eventually(t, limit, func() error {
		if r := s.do(t, "GET", "/cpi", ""); !strings.Contains(r.body, `"cpiFileFullChecksum":"`+p.Checksum[len("SHA-256:"):]) {
			return fmt.Errorf("the CPI is not listed: %s", r.body)
		}
		return nil
	})
	damaged := bytes.Clone(p.Bytes)
	damaged[len(damaged)/2] ^= 1
	if r := s.upload(t, damaged); r.status != 400 {
		t.Errorf("a damaged CPI: %d %s", r.status, r.body)
	}
	testCreation(t, s, p.GroupID, short)
}

func testCertificates(t *testing.T, s *sandbox, pem []byte) {
	const signers = "/certificates/cluster/code-signer"
	s.do(t, "GET", signers+"/cordadev", "").is(t, 404)
	s.form(t, "PUT", signers, "certificate", pem, map[string]string{"alias": "cordadev"}).is(t, 204)
	s.form(t, "PUT", "/certificates/cluster/Code-Signer", "certificate", pem, map[string]string{"Alias": "another"}).is(t, 204)
	s.do(t, "GET", signers, "").is(t, 200, `["another","cordadev"]`)
	if r := s.do(t, "GET", signers+"/cordadev", ""); r.status != 200 || strings.TrimSpace(r.body) != strings.TrimSpace(string(pem)) {
		t.Errorf("certificate: %d %s", r.status, r.body)
	}
	s.do(t, "GET", "/certificates/cluster/p2p-tls", "").is(t, 200, `[]`)
	s.do(t, "GET", "/certificates/cluster/p2p-tls/cordadev", "").is(t, 404)
	key, err := cert.New(cert.Options{Seed: "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	private, err := cert.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		usage, alias string
		file         []byte
		detail       string
	}{
		"no certificate":   {"code-signer", "x", []byte("nothing"), `"certificate": "There is no certificate in PEM form"`},
		"a key":            {"code-signer", "x", private, `"certificate": "There is a PRIVATE KEY among the certificates"`},
		"no alias":         {"code-signer", " ", pem, `"alias": "The alias is missing or blank"`},
		"unknown usage":    {"signer", "x", pem, `"usage": "Unknown certificate usage 'signer'`},
		"usage of nodes":   {"p2p-session", "x", pem, `"usage": "Session certificates belong to virtual nodes`},
		"alias of another": {"p2p-tls", "cordadev", pem, `"alias": "alias cordadev is taken by a certificate of usage code-signer`},
	} {
		r := s.form(t, "PUT", "/certificates/cluster/"+tc.usage, "certificate", tc.file, map[string]string{"alias": tc.alias})
		if r.status != 400 || !strings.Contains(r.body, tc.detail) || !strings.Contains(r.body, `"title": "Invalid input data."`) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// testCreation makes ten nodes at once while one REST worker is killed, and reads go on: no read may fail, each POST is
// answered 202, or 502 and then tells by its status what became of it.
func testCreation(t *testing.T, s *sandbox, group, checksum string) {
	stop := make(chan struct{})
	var readers, wait sync.WaitGroup
	var reads atomic.Int64
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r, err := s.try("GET", "/virtualnode", "", nil); err != nil || r.status != 200 {
					t.Errorf("read: %v, %d %s", err, r.status, r.body)
					return
				}
				reads.Add(1)
			}
		})
	}
	var accepted sync.WaitGroup
	accepted.Add(3)
	var n atomic.Int32
	var hashes []string
	for i := range 10 {
		name := ident.Name{Organisation: fmt.Sprintf("Node %d", i), Locality: "London", Country: "GB"}
		identity := ident.NewHoldingIdentity(name, group)
		hashes = append(hashes, string(identity.ShortHash()))
		body := fmt.Sprintf(`{"request":{"x500Name":"C=GB,L=London,O=Node %d","cpiFileChecksum":%q}}`, i, strings.ToLower(checksum))
		wait.Go(func() {
			r, err := s.try("POST", "/virtualnode", "application/json", []byte(body))
			if n.Add(1) <= 3 {
				accepted.Done()
			}
			switch {
			case err == nil && r.status == 202:
			case err == nil && r.status == 502: // it was killed in between: asked again
				if r, err = s.try("POST", "/virtualnode", "application/json", []byte(body)); err != nil || r.status != 202 && r.status != 409 {
					t.Errorf("POST again: %v, %d %s", err, r.status, r.body)
				}
			default:
				t.Errorf("POST: %v, %d %s", err, r.status, r.body)
				return
			}
		})
	}
	accepted.Wait()
	s.rest[0].Kill()
	wait.Wait()
	for _, hash := range hashes {
		cluster.Eventually(t, limit, func() error {
			r := s.do(t, "GET", "/virtualnode/status/"+hash, "")
			if !strings.Contains(r.body, `"status":"SUCCEEDED"`) || !strings.Contains(r.body, `"resourceId":"`+hash+`"`) {
				return fmt.Errorf("status of %s: %d %s", hash, r.status, r.body)
			}
			return nil
		})
	}
	close(stop)
	readers.Wait()
	t.Logf("%d reads meanwhile", reads.Load())

	var list struct {
		VirtualNodes []struct {
			HoldingIdentity                                                             struct{ ShortHash, X500Name string }
			VaultDdlConnectionID, VaultDmlConnectionID, CryptoDdlConnectionID           string
			CryptoDmlConnectionID, UniquenessDdlConnectionID, UniquenessDmlConnectionID string
		}
	}
	cluster.Eventually(t, limit, func() error {
		r := s.do(t, "GET", "/virtualnode/", "")
		if err := json.Unmarshal([]byte(r.body), &list); err != nil {
			return err
		}
		if len(list.VirtualNodes) != 10 {
			return fmt.Errorf("%d nodes are listed", len(list.VirtualNodes))
		}
		return nil
	})
	for _, v := range list.VirtualNodes {
		ids := map[string]bool{v.VaultDdlConnectionID: true, v.VaultDmlConnectionID: true, v.CryptoDdlConnectionID: true,
			v.CryptoDmlConnectionID: true, v.UniquenessDdlConnectionID: true, v.UniquenessDmlConnectionID: true}
		if len(ids) != 6 || ids[""] {
			t.Errorf("%s has the connections %v", v.HoldingIdentity.X500Name, ids)
		}
		s.do(t, "GET", "/virtualnode/"+v.HoldingIdentity.ShortHash, "").is(t, 200, v.HoldingIdentity.X500Name)
		s.do(t, "POST", "/virtualnode", fmt.Sprintf(`{"x500Name":%q,"cpiFileChecksum":%q}`, v.HoldingIdentity.X500Name, checksum)).is(t, 409, "already exists")
	}
}
