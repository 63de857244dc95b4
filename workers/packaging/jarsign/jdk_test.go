package jarsign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

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

// keystore writes a key that Go makes into a PKCS#12 file for the JDK; starting keytool for it would take seconds.
func keystore(t *testing.T, private crypto.Signer) (string, *x509.Certificate) {
	t.Helper()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key, err := jarsign.SelfSigned(private, named("JDK Signer"), from, from.AddDate(9, 0, 0), big.NewInt(9), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := pkcs12.Modern.Encode(key.Private, key.Chain[0], nil, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "keys.p12", text), key.Chain[0]
}

// keytool makes a key of a kind that Go cannot write into a keystore.
func keytool(t *testing.T, algorithm ...string) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "keys.p12")
	run(t, "keytool", append([]string{"-genkeypair", "-alias", "k", "-keystore", store, "-storepass", storePassword, "-storetype", "PKCS12",
		"-dname", "CN=JDK Signer, O=Acme, L=Leeds, C=GB", "-validity", "3000", "-startdate", "2026/01/01", "-keyalg"}, algorithm...)...)
	return store
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func ecKey(t *testing.T, c elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t *testing.T) crypto.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// unsignedJar writes the files of a jar without a signature.
func unsignedJar(t *testing.T) string {
	t.Helper()
	key := newKey(t, cert.Options{})
	jar := tamper(t, signed(t, key, jarsign.SignOptions{}), func(es []entry) []entry {
		es[0].contents = "Manifest-Version: 1.0\r\nMain: attribute\r\n\r\n"
		return append(es[:1:1], es[3:]...)
	})
	return write(t, "unsigned.jar", jar)
}

func TestVerifiesWhatJarsignerSigns(t *testing.T) {
	t.Parallel()
	jdk(t)
	p256 := ecKey(t, elliptic.P256())
	rsa2048 := rsaKey(t)
	for name, tc := range map[string]struct {
		key     crypto.Signer // nil: DSA, from keytool
		sign    []string
		refused string
	}{
		"RSA":                             {rsa2048, nil, ""},
		"RSA with PSS":                    {rsa2048, []string{"-sigalg", "RSASSA-PSS"}, ""},
		"EC P-256":                        {p256, nil, ""},
		"EC P-384":                        {ecKey(t, elliptic.P384()), []string{"-digestalg", "SHA-384"}, ""},
		"EC P-521":                        {ecKey(t, elliptic.P521()), []string{"-digestalg", "SHA-512"}, ""},
		"Ed25519":                         {edKey(t), nil, ""},
		"sections only":                   {p256, []string{"-sectionsonly"}, ""},
		"signature file inside the block": {p256, []string{"-internalsf"}, ""},
		"SHA-1 digests":                   {rsa2048, []string{"-digestalg", "SHA-1"}, "main attributes"},
		"a SHA-1 signature":               {rsa2048, []string{"-sigalg", "SHA1withRSA"}, "SHA-1, which is no longer secure"},
		"DSA":                             {nil, nil, "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var store string
			alias := "1" // the JDK's name for an entry without one
			trust := newKey(t, cert.Options{}).Chain[0]
			if tc.key != nil {
				store, trust = keystore(t, tc.key)
			} else {
				store, alias = keytool(t, "DSA", "-keysize", "2048"), "k"
			}
			out := filepath.Join(t.TempDir(), "signed.jar")
			run(t, "jarsigner", slices.Concat([]string{"-keystore", store, "-storepass", storePassword, "-signedjar", out}, tc.sign, []string{unsignedJar(t), alias})...)
			jar, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			got, err := verify(t, jar, jarsign.Options{Trust: []*x509.Certificate{trust}})
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
	for name, private := range map[string]crypto.Signer{
		"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "P-521": ecKey(t, elliptic.P521()), "RSA": rsaKey(t),
	} {
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
	text, err := pkcs12.Modern.EncodeTrustStore(trust, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	file, store := write(t, "ours.jar", jar), write(t, "trust.p12", text)
	out := run(t, "jarsigner", "-verify", "-strict", "-keystore", store, "-storepass", storePassword, file)
	if !strings.Contains(out, "jar verified.") {
		t.Errorf("jarsigner says: %s", out)
	}
}

func TestParsePKCS12OfKeytool(t *testing.T) {
	t.Parallel()
	jdk(t)
	text, err := os.ReadFile(keytool(t, "EC", "-groupname", "secp256r1"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := jarsign.ParsePKCS12(text, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, signed(t, key, jarsign.SignOptions{}), jarsign.Options{Trust: key.Chain}); err != nil {
		t.Error(err)
	}
	if _, err := jarsign.ParsePKCS12(text, "wrong"); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a wrong password gives %v", err)
	}
}
