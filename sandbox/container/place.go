package container

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
)

// surroundings are what says where engines are. Tests have their own.
type surroundings struct {
	env    func(name string) string
	home   string // of the user; "": not known
	system string // where the sockets of the system's engines are: /var/run
}

func ownSurroundings() surroundings {
	home, _ := os.UserHomeDir() // without one there is no file to read
	return surroundings{env: os.Getenv, home: home, system: "/var/run"}
}

// place is where an engine may be.
type place struct {
	host   string // unix:///var/run/docker.sock, tcp://10.0.0.7:2376
	named  string // who names it: "DOCKER_HOST", `the context "x"`; "" for one of the usual sockets
	certs  string // directory of ca.pem, cert.pem and key.pem; "": no TLS
	verify bool   // the engine's certificate is checked
}

// usual is the context of Docker's command line that means what holds without one.
const usual = "default"

// places lists where an engine may be, in the order in which they are tried. One that somebody has named is the only one:
// nobody who has named an engine wants another.
//
// Source: Docker's command line, "Environment variables" and "Docker contexts" of its documentation. DOCKER_HOST comes over
// DOCKER_CONTEXT there, and that over the context that is chosen with "docker context use".
//
// Errors: *EngineError.
func (s surroundings) places() ([]place, error) {
	if host := s.env("DOCKER_HOST"); host != "" {
		p := place{host: host, named: "DOCKER_HOST", certs: s.env("DOCKER_CERT_PATH"), verify: s.env("DOCKER_TLS_VERIFY") != ""}
		if p.certs == "" && p.verify {
			p.certs = s.config()
		}
		return []place{p}, nil
	}
	name, by := s.env("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" {
		var err error
		if name, err = s.chosen(); err != nil {
			return nil, err
		}
		by = "docker context use"
	}
	if name != "" && name != usual {
		p, err := s.context(name)
		if err != nil {
			return nil, &EngineError{Attempt: fmt.Sprintf("read the context %q, which is chosen by %s", name, by), Err: err, Remedy: "see which there are: docker context ls; choose another: docker context use default"}
		}
		return []place{p}, nil
	}
	var all []place
	for _, socket := range s.sockets() {
		if i, err := os.Stat(socket); err == nil && i.Mode()&fs.ModeSocket != 0 {
			all = append(all, place{host: "unix://" + socket})
		}
	}
	return all, nil
}

// sockets are the usual ones: of the system's Docker, of a rootless one, of Docker Desktop, and of Podman.
func (s surroundings) sockets() []string {
	all := []string{filepath.Join(s.system, "docker.sock")}
	own := s.env("XDG_RUNTIME_DIR")
	if own == "" {
		own = filepath.Join(s.system, "user", fmt.Sprint(os.Getuid()))
	}
	all = append(all, filepath.Join(own, "docker.sock"))
	if s.home != "" {
		all = append(all, filepath.Join(s.home, ".docker/run/docker.sock"), filepath.Join(s.home, ".docker/desktop/docker.sock"))
	}
	return append(all, filepath.Join(own, "podman/podman.sock"), filepath.Join(s.system, "podman/podman.sock"))
}

// config is the directory of Docker's command line; "" if there can be none.
func (s surroundings) config() string {
	if dir := s.env("DOCKER_CONFIG"); dir != "" || s.home == "" {
		return dir
	}
	return filepath.Join(s.home, ".docker")
}

// chosen is the context that was chosen with "docker context use"; "" if none was.
func (s surroundings) chosen() (string, error) {
	if s.config() == "" {
		return "", nil
	}
	path := filepath.Join(s.config(), "config.json")
	var c struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := readJSON(path, &c); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", &EngineError{Attempt: "look which context of Docker's command line is chosen", Err: err, Remedy: "mend or remove " + path + ", or name the engine in DOCKER_HOST"}
	}
	return c.CurrentContext, nil
}

// context reads a context: where its engine is, and the certificates for it.
func (s surroundings) context(name string) (place, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var c struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	dir := filepath.Join(s.config(), "contexts")
	if err := readJSON(filepath.Join(dir, "meta", id, "meta.json"), &c); errors.Is(err, fs.ErrNotExist) {
		return place{}, errors.New("there is no such context")
	} else if err != nil {
		return place{}, err
	}
	e := c.Endpoints["docker"]
	if e.Host == "" {
		return place{}, errors.New("it names no engine")
	}
	p := place{host: e.Host, named: fmt.Sprintf("the context %q", name), verify: !e.SkipTLSVerify}
	if certs := filepath.Join(dir, "tls", id, "docker"); exists(certs) {
		p.certs = certs
	}
	return p, nil
}

func readJSON(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// open makes a client of the engine at a place. It does not connect yet.
func (p place) open() (*client.Client, error) {
	if target, ok := strings.CutPrefix(p.host, "ssh://"); ok {
		return nil, fmt.Errorf("it is at %s, and ssh is not spoken here: ports of a sandbox must be forwarded as well; forward the engine's socket with: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock %s, and name it: DOCKER_HOST=unix:///tmp/engine.sock",
			p.host, target)
	}
	options := []client.Opt{client.WithAPIVersionFromEnv()}
	if p.certs != "" && !strings.HasPrefix(p.host, "unix:") {
		c, err := p.tls()
		if err != nil {
			return nil, fmt.Errorf("read its certificates: %w", err)
		}
		options = append(options, client.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: c}, CheckRedirect: client.CheckRedirect}))
	}
	return client.New(append(options, client.WithHost(p.host))...)
}

// tls is made of what there is of ca.pem, and of cert.pem with key.pem.
func (p place) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !p.verify} //nolint:gosec // as the user has set at Docker's command line
	ca, err := os.ReadFile(filepath.Join(p.certs, "ca.pem"))
	switch {
	case err == nil:
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no certificate", filepath.Join(p.certs, "ca.pem"))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	own := filepath.Join(p.certs, "cert.pem")
	if !exists(own) {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(own, filepath.Join(p.certs, "key.pem"))
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
