package supervisor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/process"
)

func testDir(t *testing.T) sandbox.Dir {
	t.Helper()
	d := sandbox.Dir{Name: "test", Path: filepath.Join(t.TempDir(), "test")}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSecretsAreMadeOnceAndClosed(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	now := time.Now()
	first, err := loadSecrets(d, now)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.Secrets())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	again, err := loadSecrets(d, now)
	if err != nil || again != first {
		t.Errorf("the second time they differ (%v)", err)
	}
	text, err := os.ReadFile(d.State())
	if err == nil && strings.Contains(string(text), first.AdminPassword) {
		t.Error("a password is in the state file")
	}
	values := map[string]bool{}
	for _, v := range []string{
		first.Postgres, first.AdminPassword, first.Passphrase, first.Salt, first.MasterPassphrase, first.MasterSalt, first.TracesToken,
		first.Databases.ConfigUser, first.Databases.ConfigReader, first.Databases.VNodeAdmin,
	} {
		if len(v) < 20 || values[v] {
			t.Errorf("a secret has %d characters, or is another one's", len(v))
		}
		values[v] = true
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	s, err := loadSecrets(testDir(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := layout{spec: sandbox.DefaultSpec("test"), secrets: s, ports: map[string]int{}, routes: process.Routes{}}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", l)} {
		for _, secret := range []string{s.Postgres, s.AdminPassword, s.TracesToken, s.Passphrase, "PRIVATE KEY"} {
			if strings.Contains(text, secret) {
				t.Errorf("a secret is printed: %.60s…", text)
			}
		}
	}
	for _, u := range l.units() {
		if u.spec == nil {
			continue
		}
		text, err := json.Marshal(u.spec)
		if err != nil || strings.Contains(string(text), s.Passphrase) {
			t.Errorf("the specification of %s holds a secret outside its files: %v", u.name, err)
		}
	}
}

func TestCertificateIsTrustedAndRenewed(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	s, err := loadSecrets(d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(s.REST.Certificate), []byte(s.REST.Key))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	ours := http.Client{Transport: &http.Transport{TLSClientConfig: s.trust()}}
	resp, err := ours.Get(server.URL) // https://127.0.0.1:PORT
	if err != nil {
		t.Fatalf("a client that trusts the authority: %v", err)
	}
	resp.Body.Close()
	if resp, err := new(http.Client).Get(server.URL); err == nil {
		resp.Body.Close()
		t.Error("a client that does not trust the authority connects")
	}
	later, err := loadSecrets(d, time.Now().Add(certificateLife-renewBefore+24*time.Hour))
	if err != nil || later.REST == s.REST || later.Authority != s.Authority {
		t.Errorf("a certificate about to expire is not renewed, or its authority is (%v)", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || leaf.IsCA || leaf.NotAfter.Sub(leaf.NotBefore) > 398*24*time.Hour {
		t.Errorf("the certificate is an authority, or lives longer than clients accept (%v)", err)
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path func(sandbox.Dir) string
		text string
		read func(sandbox.Dir) error
	}{
		"secrets that are no JSON": {sandbox.Dir.Secrets, "{", func(d sandbox.Dir) error { _, err := loadSecrets(d, time.Now()); return err }},
		"a state that is no JSON":  {sandbox.Dir.State, "]", func(d sandbox.Dir) error { _, err := ReadState(d); return err }},
		"a state of a later form":  {sandbox.Dir.State, `{"format":9}`, func(d sandbox.Dir) error { _, err := ReadState(d); return err }},
		"a state of another":       {sandbox.Dir.State, `{"format":1,"spec":{"name":"x"}}`, func(d sandbox.Dir) error { _, err := ReadState(d); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDir(t)
			if err := os.WriteFile(tc.path(d), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := tc.read(d)
			if err == nil || !strings.Contains(err.Error(), tc.path(d)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
