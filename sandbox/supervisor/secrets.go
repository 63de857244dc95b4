package supervisor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/bootstrap"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// Secrets are made once for a sandbox and kept in its secrets file (0600). They reach a node in a file of its own, and
// only those that its role is granted.
type Secrets struct {
	Postgres         string              `json:"postgres"`   // password of PostgreSQL's superuser
	AdminLogin       string              `json:"adminLogin"` // first user of the REST API
	AdminPassword    string              `json:"adminPassword"`
	Passphrase       string              `json:"passphrase"` // of configuration secrets
	Salt             string              `json:"salt"`
	MasterPassphrase string              `json:"masterPassphrase"` // of the master wrapping key
	MasterSalt       string              `json:"masterSalt"`
	Databases        bootstrap.Passwords `json:"databases"` // of the logins of the cluster's databases
	TracesToken      string              `json:"tracesToken"`
	Authority        Pair                `json:"authority"` // certificate authority of the sandbox
	REST             Pair                `json:"rest"`      // certificate of the REST API, signed by it
}

// Pair is a certificate and its key, both PEM, the key PKCS#8.
type Pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// ReadSecrets reads the secrets file of a sandbox. Errors wrap fs.ErrNotExist when there is none.
func ReadSecrets(d sandbox.Dir) (Secrets, error) {
	var s Secrets
	text, err := os.ReadFile(d.Secrets())
	if err != nil {
		return s, fmt.Errorf("read the secrets of sandbox %s: %w", d.Name, err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		// The message of a syntax error shows at most one character of the text.
		return Secrets{}, &BadFileError{Path: d.Secrets(), Err: err}
	}
	return s, nil
}

// loadSecrets reads the secrets, makes those that are missing, and renews a certificate about to expire.
func loadSecrets(d sandbox.Dir, now time.Time) (Secrets, error) {
	s, err := ReadSecrets(d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Secrets{}, err
	}
	before, err := json.Marshal(s)
	if err != nil {
		return Secrets{}, err
	}
	s.fill()
	if err := s.certify(now); err != nil {
		return Secrets{}, fmt.Errorf("make the certificates of sandbox %s: %w", d.Name, err)
	}
	after, err := json.Marshal(s)
	if err != nil {
		return Secrets{}, err
	}
	if string(before) == string(after) {
		return s, nil
	}
	return s, writeJSON(d.Secrets(), s)
}

// fill makes what is missing.
func (s *Secrets) fill() {
	if s.AdminLogin == "" {
		s.AdminLogin = "admin"
	}
	for _, p := range []*string{
		&s.Postgres, &s.AdminPassword, &s.Passphrase, &s.Salt, &s.MasterPassphrase, &s.MasterSalt, &s.TracesToken,
	} {
		if *p == "" {
			*p = rand.Text() // 128 bits or more, letters and digits only
		}
	}
	if s.Databases == (bootstrap.Passwords{}) {
		s.Databases = bootstrap.NewPasswords()
	}
}

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 397 * 24 * time.Hour // what strict clients accept at most is 398 days
	renewBefore     = 60 * 24 * time.Hour
)

// certify makes the authority and the certificate of the REST API, or renews them when they are about to expire.
func (s *Secrets) certify(now time.Time) error {
	if !lasts(s.Authority.Certificate, now) {
		pair, err := issue(certificate("Cordage sandbox authority", now, authorityLife), nil)
		if err != nil {
			return err
		}
		s.Authority, s.REST = pair, Pair{}
	}
	if !lasts(s.REST.Certificate, now) || !names(s.REST.Certificate, restNames()) {
		template := certificate("localhost", now, certificateLife)
		template.DNSNames = restNames()
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		pair, err := issue(template, &s.Authority)
		if err != nil {
			return err
		}
		s.REST = pair
	}
	return nil
}

// restNames are the names that the REST API is reached by: people use the first, nodes those of the nodes.
func restNames() []string {
	all := []string{"localhost", balancerRole + "-1"}
	for i := range sandbox.MaxReplicas {
		all = append(all, fmt.Sprintf("%s-%d", restRole, i+1))
	}
	return all
}

// names tells whether a certificate is for all of the names.
func names(text string, all []string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	return err == nil && !slices.ContainsFunc(all, func(name string) bool { return c.VerifyHostname(name) != nil })
}

func lasts(text string, now time.Time) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	return err == nil && now.Add(renewBefore).Before(c.NotAfter) && c.NotBefore.Before(now)
}

func certificate(name string, now time.Time, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Cordage"}},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(life),
		BasicConstraintsValid: true,
	}
}

// issue signs template with the authority, or with itself as an authority if by is nil.
func issue(template *x509.Certificate, by *Pair) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	parent, signer := template, key
	if by == nil {
		template.IsCA, template.MaxPathLenZero = true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if parent, signer, err = by.parse(); err != nil {
			return Pair{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}, nil
}

func (p Pair) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	c, _ := pem.Decode([]byte(p.Certificate))
	k, _ := pem.Decode([]byte(p.Key))
	if c == nil || k == nil {
		return nil, nil, errors.New("the authority is no PEM text")
	}
	parsed, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	if err != nil {
		return nil, nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("the authority's key is %T", key)
	}
	return parsed, ec, nil
}

// trust is what a client of the REST API trusts: the sandbox's authority and nothing else.
func (s Secrets) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.Authority.Certificate))
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// String keeps secrets out of anything that prints the value.
func (Secrets) String() string { return keys.Mask }

// GoString is String.
func (Secrets) GoString() string { return keys.Mask }
