package packaging_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/workers/packaging"
)

// notary builds a CPI of R3's released CPKs. It skips only where they can neither be found nor fetched.
func notary(t testing.TB) *cpi.Package {
	t.Helper()
	p, err := cpi.Spec{Name: "notary", Version: "5.0.0.0", Content: cpi.Notary, Members: []string{"O=Notary, L=London, C=GB"}}.Build(t.Context())
	_, offline := errors.AsType[*artefact.OfflineError](err)
	_, noMaven := errors.AsType[*artefact.MissingToolError](err)
	_, noFetch := errors.AsType[*artefact.FetchError](err)
	if offline || noMaven || noFetch {
		t.Skipf("SKIPPED: R3's released CPKs are not in the cache and cannot be fetched: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// before is a time when R3's signer was valid.
var before = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func TestReadR3Notary(t *testing.T) {
	t.Parallel()
	p := notary(t)
	c, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust, At: before})
	if err != nil {
		t.Fatal(explain(err))
	}
	if len(c.CPKs) != 3 || len(c.Warnings) != 0 {
		t.Fatalf("%d CPKs, warnings %q", len(c.CPKs), c.Warnings)
	}
	// Checksums are those of the files that Maven Central has; the signer's hash was computed from the subject by hand:
	// SHA-256 of "SHA-256:" and the SHA-256 of "C=GB,L=London,O=R3 Ltd,CN=R3 Ltd".
	const signer = "SHA-256:E58EDEA48C0EEC568CEBD6C924F182CF078D0D4926262B078A3DB2D169BD7952"
	want := map[string]string{
		"com.r3.corda.notary.plugin.common.notary-plugin-common":                       "SHA-256:0F8A4E1A9C0D35270A8A1EEEFD0D82D7DFAC847BF367D62ECA5A3AA831B67EA7",
		"com.r3.corda.notary.plugin.nonvalidating.notary-plugin-non-validating-api":    "SHA-256:3695456B5486624829D93F08E622F6AECFAEEA3A741F6B0F81AE0663D854B855",
		"com.r3.corda.notary.plugin.nonvalidating.notary-plugin-non-validating-client": "SHA-256:E64B262B8AD8A08D9C113432980B3C5D5D94DC065F6ECD3EA5734F67A51493D3",
	}
	for _, k := range c.CPKs {
		if k.FileChecksum != want[k.ID.Name] || k.ID.Version != "5.0.0.0" || k.ID.SignerSummaryHash != signer {
			t.Errorf("%+v with checksum %s", k.ID, k.FileChecksum)
		}
		if k.Manifest.Type != packaging.TypeWorkflow || k.Manifest.MinPlatformVersion != 999 || k.Manifest.TargetPlatformVersion != 50000 || k.Manifest.Vendor != "R3" || k.Manifest.VersionID != 1 {
			t.Errorf("%s: manifest %+v", k.FileName, k.Manifest)
		}
	}
	client := c.CPKs[2]
	if flows := client.Manifest.Attributes["Corda-Flow-Classes"]; flows != "com.r3.corda.notary.plugin.nonvalidating.client.NonValidatingNotaryClientFlowImpl" {
		t.Errorf("flow classes are %q", flows)
	}
	if len(client.Dependencies) != 2 || !client.Dependencies[0].SameSigner {
		t.Errorf("dependencies %+v", client.Dependencies)
	}
}

func TestReadR3NotaryToday(t *testing.T) {
	t.Parallel()
	p := notary(t)
	_, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust})
	expired, ok := errors.AsType[*packaging.ExpiredError](err)
	if !ok || !expired.NotAfter.Equal(time.Date(2026, 6, 2, 23, 59, 59, 0, time.UTC)) || !expired.At.Equal(today) {
		t.Fatalf("got %v, want an ExpiredError", err)
	}
	text := explain(err)
	for _, want := range []string{
		"app.cpi/notary.cpb/notary-plugin-common-5.0.0.0.jar", "CN=R3 Ltd, O=R3 Ltd, L=London, C=GB expired on 2026-06-02T23:59:59Z",
		"the clock stands at 2026-11-25T12:00:00Z", "cordage clock set 2026-05-01T00:00:00Z", `cordage.packaging set {"expiredCodeSigners":"accept"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the refusal does not say %q: %s", want, text)
		}
	}
	c, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust, ExpiredCodeSigners: packaging.Accept})
	if err != nil || len(c.Warnings) != 3 {
		t.Errorf("accepted: %v, warnings %q", err, c.Warnings)
	}
	_, err = read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust[:1], At: before})
	if _, ok := errors.AsType[*packaging.UntrustedError](err); !ok || !strings.Contains(err.Error(), "DigiCert Trusted Root G4") {
		t.Errorf("without the root: %v, want an UntrustedError that names it", err)
	}
	g4, err := cert.DigiCertTrustedRootG4()
	if err != nil || !p.Trust[1].Equal(g4) {
		t.Errorf("the root to trust is %v, %v", p.Trust[1].Subject, err)
	}
}

func BenchmarkReadR3Notary(b *testing.B) {
	p := notary(b)
	b.SetBytes(int64(len(p.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := packaging.ReadCPI(b.Context(), bytes.NewReader(p.Bytes), int64(len(p.Bytes)), packaging.VerifyOptions{Trust: p.Trust, At: before})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
