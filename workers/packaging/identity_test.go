package packaging_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/packaging"
)

func certName(cn string) pkix.Name {
	return pkix.Name{CommonName: cn, Organization: []string{"Acme"}, Locality: []string{"Leeds"}, Country: []string{"GB"}}
}

// gradleKey is the public certificate of the default code-signing key of Corda's build plugins.
const gradleKey = `-----BEGIN CERTIFICATE-----
MIIB7zCCAZOgAwIBAgIEFyV7dzAMBggqhkjOPQQDAgUAMFsxCzAJBgNVBAYTAkdC
MQ8wDQYDVQQHDAZMb25kb24xDjAMBgNVBAoMBUNvcmRhMQswCQYDVQQLDAJSMzEe
MBwGA1UEAwwVQ29yZGEgRGV2IENvZGUgU2lnbmVyMB4XDTIwMDYyNTE4NTI1NFoX
DTMwMDYyMzE4NTI1NFowWzELMAkGA1UEBhMCR0IxDzANBgNVBAcTBkxvbmRvbjEO
MAwGA1UEChMFQ29yZGExCzAJBgNVBAsTAlIzMR4wHAYDVQQDExVDb3JkYSBEZXYg
Q29kZSBTaWduZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQDjSJtzQ+ldDFt
pHiqdSJebOGPZcvZbmC/PIJRsZZUF1bl3PfMqyG3EmAe0CeFAfLzPQtf2qTAnmJj
lGTkkQhxo0MwQTATBgNVHSUEDDAKBggrBgEFBQcDAzALBgNVHQ8EBAMCB4AwHQYD
VR0OBBYEFLMkL2nlYRLvgZZq7GIIqbe4df4pMAwGCCqGSM49BAMCBQADSAAwRQIh
ALB0ipx6EplT1fbUKqgc7rjH+pV1RQ4oKF+TkfjPdxnAAiArBdAI15uI70wf+xlL
zU+Rc5yMtcOY4/moZUq36r0Ilg==
-----END CERTIFICATE-----`

// The value is the one in Corda's 5.0 documentation.
func TestSignerSummaryHash(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode([]byte(gradleKey))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	const want = "SHA-256:E53DA5C67A637D42335808FA1534005281BAE7E49CCE8833213E58E0FDCA8B35"
	if got, err := packaging.SignerSummaryHash([]*x509.Certificate{c}); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if got, err := packaging.SignerSummaryHash([]*x509.Certificate{c, c}); err != nil || got == want {
		t.Errorf("of the same certificate twice: %s, %v; a list is not a set", got, err)
	}
}

func TestSignerSummaryHashNames(t *testing.T) {
	t.Parallel()
	base := pkix.Name{CommonName: "A", OrganizationalUnit: []string{"U"}, Organization: []string{"O"}, Locality: []string{"L"}, Province: []string{"S"}, Country: []string{"GB"}}
	extra := base
	extra.SerialNumber = "10103259"
	extra.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 15}, Value: "Private Organization"}}
	other := base
	other.Locality = []string{"M"}
	sum := func(n pkix.Name, seed string) string {
		h, err := packaging.SignerSummaryHash(signer(t, cert.Options{Name: n, Seed: seed}).Chain)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if sum(base, "1") != sum(base, "2") {
		t.Error("another key of the same name gives another hash")
	}
	if sum(base, "1") != sum(extra, "1") {
		t.Error("attributes beside CN, OU, O, L, ST and C count")
	}
	if sum(base, "1") == sum(other, "1") {
		t.Error("the locality does not count")
	}
	two := slices.Concat(signer(t, cert.Options{Name: base}).Chain, signer(t, cert.Options{Name: other}).Chain)
	ab, _ := packaging.SignerSummaryHash(two)
	ba, _ := packaging.SignerSummaryHash([]*x509.Certificate{two[1], two[0]})
	if ab != ba {
		t.Error("the order of signers counts")
	}
}

// A CPI's hash is over all certificates of all chains, a CPK's over the leaves only.
func TestSignerSummaryHashOfChains(t *testing.T) {
	t.Parallel()
	root := signer(t, cert.Options{Seed: "root", Name: certName("Root"), CA: true})
	leaf := signer(t, cert.Options{Seed: "leaf", Name: certName("Leaf"), Issuer: &root})
	p := build(t, cpi.Spec{Key: leaf})
	c, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := packaging.SignerSummaryHash(leaf.Chain)
	one, _ := packaging.SignerSummaryHash(leaf.Chain[:1])
	if c.ID.SignerSummaryHash != all || c.CPKs[0].ID.SignerSummaryHash != one {
		t.Errorf("CPI %s, CPK %s; want %s and %s", c.ID.SignerSummaryHash, c.CPKs[0].ID.SignerSummaryHash, all, one)
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	sum := packaging.Sum([]byte("abc"))
	if sum != "SHA-256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD" {
		t.Error(sum)
	}
	if short := packaging.ShortChecksum(sum); short != "BA7816BF8F01" || packaging.ShortChecksum("") != "" {
		t.Error(short)
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	ordered := strings.Fields("0.9 1.0alpha 1.0beta 1.0 1.0.alpha 1.0.beta 1.0.0 1.0.1 1.1 1.2 1.10 2 1:0.1")
	for i := range ordered {
		for j := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := packaging.CompareVersions(ordered[i], ordered[j]); got != want {
				t.Errorf("CompareVersions(%s, %s) = %d, want %d", ordered[i], ordered[j], got, want)
			}
		}
	}
	for name, tc := range map[string]struct {
		a, b string
		want int
	}{
		"equal":                        {"1.2.3", "1.2.3", 0},
		"leading zeros":                {"1.002", "1.2", 0},
		"a release on one side only":   {"1.2", "1.2-7", 0},
		"releases":                     {"1.2-7", "1.2-10", -1},
		"numbers before letters":       {"1.1", "1.a", 1},
		"empty":                        {"", "0", -1},
		"epochs":                       {"2:1.0", "1:9.9", 1},
		"no epoch is zero":             {"0:1.0", "1.0", 0},
		"case of letters":              {"1.A", "1.a", -1},
		"a longer separator":           {"1..2", "1.2", 1},
		"trailing separators are more": {"1.0", "1.0.", -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := packaging.CompareVersions(tc.a, tc.b); got != tc.want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
			}
		})
	}
}
