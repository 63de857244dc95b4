package jarsign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

const storePassword = "changeit"

// jdk skips where there is no JDK, so that it is seen.
func jdk(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"jarsigner", "keytool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s of a JDK is not on the PATH, so our jars are not held against the JDK's", tool)
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED: starting the JDK's tools takes seconds")
	}
}

func run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// keystore makes a key with keytool and gives the file and its certificate.
func keystore(t *testing.T, args ...string) (string, *x509.Certificate) {
	t.Helper()
	store := filepath.Join(t.TempDir(), "keys.p12")
	run(t, "keytool", append([]string{"-genkeypair", "-alias", "k", "-keystore", store, "-storepass", storePassword, "-storetype", "PKCS12",
		"-dname", "CN=JDK Signer, O=Acme, L=Leeds, C=GB", "-validity", "3000", "-startdate", "2026/01/01"}, args...)...)
	text := run(t, "keytool", "-exportcert", "-rfc", "-alias", "k", "-keystore", store, "-storepass", storePassword)
	block, _ := pem.Decode([]byte(text)) // skips what keytool says before
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil && !strings.Contains(strings.Join(args, " "), "DSA") {
		t.Fatal(err)
	}
	return store, c
}

// unsignedJar writes the files of a jar without a signature.
func unsignedJar(t *testing.T) string {
	t.Helper()
	key := newKey(t, cert.Options{})
	jar := tamper(t, signed(t, key, jarsign.SignOptions{}), func(es []entry) []entry {
		es[0].contents = "Manifest-Version: 1.0\r\nMain: attribute\r\n\r\n"
		return append(es[:1:1], es[3:]...)
	})
	name := filepath.Join(t.TempDir(), "unsigned.jar")
	if err := os.WriteFile(name, jar, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestVerifiesWhatJarsignerSigns(t *testing.T) {
	t.Parallel()
	jdk(t)
	for name, tc := range map[string]struct {
		key, sign []string
		refused   string
	}{
		"RSA":                             {[]string{"-keyalg", "RSA", "-keysize", "2048"}, nil, ""},
		"RSA 4096":                        {[]string{"-keyalg", "RSA", "-keysize", "4096"}, nil, ""},
		"RSA with PSS":                    {[]string{"-keyalg", "RSA"}, []string{"-sigalg", "RSASSA-PSS"}, ""},
		"EC P-256":                        {[]string{"-keyalg", "EC", "-groupname", "secp256r1"}, nil, ""},
		"EC P-384":                        {[]string{"-keyalg", "EC", "-groupname", "secp384r1"}, []string{"-digestalg", "SHA-384"}, ""},
		"EC P-521":                        {[]string{"-keyalg", "EC", "-groupname", "secp521r1"}, []string{"-digestalg", "SHA-512"}, ""},
		"Ed25519":                         {[]string{"-keyalg", "Ed25519"}, nil, ""},
		"sections only":                   {[]string{"-keyalg", "EC", "-groupname", "secp256r1"}, []string{"-sectionsonly"}, ""},
		"signature file inside the block": {[]string{"-keyalg", "EC", "-groupname", "secp256r1"}, []string{"-internalsf"}, ""},
		"SHA-1 digests":                   {[]string{"-keyalg", "RSA"}, []string{"-digestalg", "SHA-1"}, "main attributes"},
		"a SHA-1 signature":               {[]string{"-keyalg", "RSA"}, []string{"-sigalg", "SHA1withRSA"}, "SHA-1, which is no longer secure"},
		"DSA":                             {[]string{"-keyalg", "DSA", "-keysize", "2048"}, nil, "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, c := keystore(t, tc.key...)
			out := filepath.Join(t.TempDir(), "signed.jar")
			args := slices.Concat([]string{"-keystore", store, "-storepass", storePassword, "-signedjar", out}, tc.sign, []string{unsignedJar(t), "k"})
			run(t, "jarsigner", args...)
			jar, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			got, err := verify(t, jar, jarsign.Options{Trust: []*x509.Certificate{c}})
			if tc.refused != "" {
				if fault.KindOf(err) == "" || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("got %v, want a fault saying %q", err, tc.refused)
				}
				return
			}
			if err != nil || got.Manifest.Main.Value("Main") != "attribute" {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestJarsignerVerifiesWhatWeSign(t *testing.T) {
	t.Parallel()
	jdk(t)
	ec := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.Signer{"P-256": ec(elliptic.P256()), "P-384": ec(elliptic.P384()), "P-521": ec(elliptic.P521()), "RSA": rsaKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := jarsign.SelfSigned(private, named("Ours"), time.Now().Add(-time.Hour), time.Now().AddDate(5, 0, 0), big.NewInt(7), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			strict(t, signed(t, key, jarsign.SignOptions{}), key.Chain)
		})
	}
	t.Run("chain and second signature", func(t *testing.T) {
		t.Parallel()
		root := newKey(t, cert.Options{Seed: "root", Name: named("Root"), CA: true})
		leaf := newKey(t, cert.Options{Seed: "leaf", Name: named("Leaf"), Issuer: &root})
		second := newKey(t, cert.Options{Seed: "2", Name: named("Second")})
		jar := signed(t, leaf, jarsign.SignOptions{})
		a, err := archive.Open(bytes.NewReader(jar), int64(len(jar)), archive.Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var both bytes.Buffer
		if err := jarsign.Sign(t.Context(), &both, a, second, jarsign.SignOptions{Signature: "SECOND", Keep: true}); err != nil {
			t.Fatal(err)
		}
		strict(t, both.Bytes(), []*x509.Certificate{root.Chain[0], second.Chain[0]})
	})
}

// strict has jarsigner verify a jar with trusted certificates; in strict mode its exit code is 0 only without errors.
func strict(t *testing.T, jar []byte, trust []*x509.Certificate) {
	t.Helper()
	dir := t.TempDir()
	file, store := filepath.Join(dir, "ours.jar"), filepath.Join(dir, "trust.p12")
	if err := os.WriteFile(file, jar, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, c := range trust {
		pemFile := filepath.Join(dir, "c.pem")
		if err := os.WriteFile(pemFile, cert.PEM(c), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "keytool", "-importcert", "-noprompt", "-alias", string(rune('a'+i)), "-file", pemFile, "-keystore", store, "-storepass", storePassword)
	}
	out := run(t, "jarsigner", "-verify", "-strict", "-keystore", store, "-storepass", storePassword, file)
	if !strings.Contains(out, "jar verified.") {
		t.Errorf("jarsigner says: %s", out)
	}
}

func TestParsePKCS12OfKeytool(t *testing.T) {
	t.Parallel()
	jdk(t)
	store, c := keystore(t, "-keyalg", "EC", "-groupname", "secp256r1")
	text, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jarsign.ParsePKCS12(text, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, signed(t, key, jarsign.SignOptions{}), jarsign.Options{Trust: []*x509.Certificate{c}}); err != nil {
		t.Error(err)
	}
	if _, err := jarsign.ParsePKCS12(text, "wrong"); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a wrong password gives %v", err)
	}
}
