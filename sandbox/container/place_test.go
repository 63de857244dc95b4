package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeEngine answers what an engine is asked when it is found.
func fakeEngine(version string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/info") {
			fmt.Fprintf(w, `{"ID":"id-of-%s","ServerVersion":%q,"OperatingSystem":"a Linux","DockerRootDir":"/data"}`, version, version)
		}
	})
}

// socketEngine is an engine at a unix socket.
func socketEngine(t *testing.T, path, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: fakeEngine(version), ReadHeaderTimeout: testLimit}}
	s.Start()
	t.Cleanup(s.Close)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contextID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// writeContext writes a context as "docker context create" does.
func writeContext(t *testing.T, config, name, host string, skipVerify bool) {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"Name": name, "Metadata": map[string]any{}, "Endpoints": map[string]any{"docker": map[string]any{"Host": host, "SkipTLSVerify": skipVerify}},
	})
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(config, "contexts/meta", contextID(name), "meta.json"), string(text))
}

// shortDir is a directory for sockets, whose paths must be short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "place")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestConnectFindsTheEngine: the engine is that which Docker's command line would take.
func TestConnectFindsTheEngine(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	at := func(name string) string { return "unix://" + filepath.Join(dir, name) }
	for _, name := range []string{"named.sock", "context.sock", "other.sock", "run/docker.sock", "own/docker.sock", "rootful/podman/podman.sock"} {
		socketEngine(t, filepath.Join(dir, name), name)
	}
	home := filepath.Join(dir, "home")
	config := filepath.Join(home, ".docker")
	writeContext(t, config, "mine", at("context.sock"), false)
	writeContext(t, config, "dead", at("nobody.sock"), false)
	writeContext(t, config, "empty", "", false)
	writeText(t, filepath.Join(config, "config.json"), `{"currentContext":"mine"}`)
	elsewhere := filepath.Join(dir, "config")
	writeContext(t, elsewhere, "elsewhere", at("other.sock"), false)
	writeText(t, filepath.Join(elsewhere, "config.json"), `{"currentContext":"elsewhere"}`)
	broken := filepath.Join(dir, "broken")
	writeText(t, filepath.Join(broken, "config.json"), `{"currentContext":`)

	for name, tc := range map[string]struct {
		env    map[string]string
		system string // below dir; "": run
		want   string // version
		fault  string // part of the error
		hint   string // part of its hint
	}{
		"the current context":               {want: "context.sock"},
		"DOCKER_HOST over it":               {env: map[string]string{"DOCKER_HOST": at("named.sock"), "DOCKER_CONTEXT": "dead"}, want: "named.sock"},
		"DOCKER_CONTEXT over it":            {env: map[string]string{"DOCKER_CONTEXT": "default"}, want: "run/docker.sock"},
		"another configuration":             {env: map[string]string{"DOCKER_CONFIG": elsewhere}, want: "other.sock"},
		"a rootless engine":                 {env: map[string]string{"DOCKER_CONTEXT": "default", "XDG_RUNTIME_DIR": filepath.Join(dir, "own")}, system: "none", want: "own/docker.sock"},
		"Podman":                            {env: map[string]string{"DOCKER_CONTEXT": "default"}, system: "rootful", want: "rootful/podman/podman.sock"},
		"DOCKER_HOST does not answer":       {env: map[string]string{"DOCKER_HOST": at("nobody.sock")}, fault: "nobody.sock, which DOCKER_HOST names"},
		"a context does not answer":         {env: map[string]string{"DOCKER_CONTEXT": "dead"}, fault: `nobody.sock, which the context "dead" names`},
		"a context that is not there":       {env: map[string]string{"DOCKER_CONTEXT": "no"}, fault: `"no", which is chosen by DOCKER_CONTEXT: there is no such context`, hint: "docker context ls"},
		"a context without an engine":       {env: map[string]string{"DOCKER_CONTEXT": "empty"}, fault: "it names no engine"},
		"a configuration that is damaged":   {env: map[string]string{"DOCKER_CONFIG": broken}, fault: "look which context", hint: "mend or remove " + broken},
		"no engine anywhere":                {env: map[string]string{"DOCKER_CONTEXT": "default"}, system: "none", fault: "none of its usual sockets is there: " + filepath.Join(dir, "none/docker.sock"), hint: "--runtime process"},
		"a host that is none":               {env: map[string]string{"DOCKER_HOST": "nonsense"}, fault: "nonsense"},
		"a host at the other end of an ssh": {env: map[string]string{"DOCKER_HOST": "ssh://me@far"}, fault: "ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock me@far"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			system := tc.system
			if system == "" {
				system = "run"
			}
			s := surroundings{env: func(name string) string { return tc.env[name] }, home: home, system: filepath.Join(dir, system)}
			e, err := s.connect(t.Context())
			if tc.want != "" {
				if err != nil || e.Facts().Version != tc.want || e.Facts().ID != "id-of-"+tc.want+" /data" {
					t.Fatalf("connect: %+v, %v; want the engine at %s", e, err, tc.want)
				}
				e.Close()
				return
			}
			fault, ok := errors.AsType[*EngineError](err)
			if !ok || !strings.Contains(err.Error(), tc.fault) || !strings.Contains(fault.Hint(), tc.hint) {
				t.Errorf("connect: %v; want an *EngineError with %q and the hint %q", err, tc.fault, tc.hint)
			}
		})
	}
}

// TestConnectToASilentEngine: an engine that takes connections and never answers is given up when ctx ends.
func TestConnectToASilentEngine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "silent.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	s := surroundings{env: func(name string) string { return map[string]string{"DOCKER_HOST": "unix://" + path}[name] }}
	if e, err := s.connect(ctx); err == nil {
		t.Errorf("connect: %+v", e)
	}
	if took := time.Since(began); took > answerLimit/2 {
		t.Errorf("it took %v to give up what was to be given up after 200 ms", took)
	}
}

// TestConnectWithTLS: an engine that is named with its certificates is spoken to with them, and one that has another
// certificate is refused.
func TestConnectWithTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(fakeEngine("secure"))
	t.Cleanup(s.Close)
	host := "tcp://" + s.Listener.Addr().String()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	dir := t.TempDir()
	good, home, bad := filepath.Join(dir, "good"), filepath.Join(dir, "home"), filepath.Join(dir, "bad")
	writeText(t, filepath.Join(good, "ca.pem"), ca)
	writeText(t, filepath.Join(home, ".docker", "ca.pem"), ca)
	writeText(t, filepath.Join(bad, "ca.pem"), "no certificate")
	config := filepath.Join(dir, "config")
	writeContext(t, config, "known", host, false)
	writeText(t, filepath.Join(config, "contexts/tls", contextID("known"), "docker/ca.pem"), ca)
	writeContext(t, config, "trusting", host, true)
	if err := os.MkdirAll(filepath.Join(config, "contexts/tls", contextID("trusting"), "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeContext(t, config, "unknown", host, false)
	if err := os.MkdirAll(filepath.Join(config, "contexts/tls", contextID("unknown"), "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		env   map[string]string
		fault string
	}{
		"DOCKER_CERT_PATH":                 {env: map[string]string{"DOCKER_HOST": host, "DOCKER_CERT_PATH": good, "DOCKER_TLS_VERIFY": "1"}},
		"DOCKER_TLS_VERIFY alone":          {env: map[string]string{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1"}},
		"a context's certificates":         {env: map[string]string{"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "known"}},
		"a context that does not verify":   {env: map[string]string{"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "trusting"}},
		"a certificate of somebody else's": {env: map[string]string{"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "unknown"}, fault: "certificate signed by unknown authority"},
		"certificates that are none":       {env: map[string]string{"DOCKER_HOST": host, "DOCKER_CERT_PATH": bad, "DOCKER_TLS_VERIFY": "1"}, fault: "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := surroundings{env: func(name string) string { return tc.env[name] }, home: home}.connect(t.Context())
			switch {
			case tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)):
				t.Errorf("connect: %v, want %q", err, tc.fault)
			case tc.fault == "" && err != nil:
				t.Errorf("connect: %v", err)
			case err == nil:
				e.Close()
			}
		})
	}
}
