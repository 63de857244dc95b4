package packaging_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	policies "github.com/cordage-sandbox/cordage/fixtures/policy"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// parts are what a CPI is put together from by hand, without the checks that building makes.
type parts struct {
	cpks    []jarsign.File // of the CPB
	cpb     jarsign.Attributes
	cpi     jarsign.Attributes
	files   []jarsign.File // of the CPI; the CPB and the policy are added unless they are there
	noCPB   bool
	policy  string
	noGroup bool
	key     jarsign.Key
}

func signer(t testing.TB, o cert.Options) jarsign.Key {
	t.Helper()
	k, err := cert.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func jar(t testing.TB, main jarsign.Attributes, files []jarsign.File, key jarsign.Key) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jarsign.Build(t.Context(), &out, main, files, key, jarsign.SignOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func cpk(t testing.TB, c cpi.CPK, key jarsign.Key) []byte {
	t.Helper()
	if c.Name == "" {
		c.Name = "com.example.one"
	}
	b, err := c.Bytes(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func attributes(kind string) jarsign.Attributes {
	return jarsign.Attributes{
		{Name: "Corda-" + kind + "-Format", Value: "2.0"}, {Name: "Corda-" + kind + "-Name", Value: "app"}, {Name: "Corda-" + kind + "-Version", Value: "1"},
	}
}

func without(a jarsign.Attributes, name string) jarsign.Attributes { return with(a, name, "") }

func with(a jarsign.Attributes, name, value string) jarsign.Attributes {
	var out jarsign.Attributes
	for _, at := range a {
		switch {
		case at.Name != name:
			out = append(out, at)
		case value != "":
			out = append(out, jarsign.Attribute{Name: name, Value: value})
		}
	}
	return out
}

func (p parts) bytes(t testing.TB) []byte {
	t.Helper()
	if p.key.Private == nil {
		p.key = signer(t, cert.Options{})
	}
	if p.cpks == nil {
		p.cpks = []jarsign.File{jarsign.FileOf("one.jar", cpk(t, cpi.CPK{}, p.key))}
	}
	if p.cpb == nil {
		p.cpb = attributes("CPB")
	}
	if p.cpi == nil {
		p.cpi = attributes("CPI")
	}
	if p.policy == "" {
		text, err := policies.Static(policies.SampleGroupID)
		if err != nil {
			t.Fatal(err)
		}
		p.policy = string(text)
	}
	if !p.noCPB {
		p.files = append(p.files, jarsign.FileOf("app.cpb", jar(t, p.cpb, p.cpks, p.key)))
	}
	if !p.noGroup {
		p.files = append(p.files, jarsign.FileOf("META-INF/GroupPolicy.json", []byte(p.policy)))
	}
	return jar(t, p.cpi, p.files, p.key)
}

func TestReadCPIRefuses(t *testing.T) {
	t.Parallel()
	key := signer(t, cert.Options{})
	other := signer(t, cert.Options{Seed: "other", Name: certName("Other")})
	file := jarsign.FileOf
	one := file("one.jar", cpk(t, cpi.CPK{}, key))
	dep := func(d packaging.Dependency) jarsign.File {
		return file("two.jar", cpk(t, cpi.CPK{Name: "com.example.two", Dependencies: []packaging.Dependency{d}}, key))
	}
	list := func(text string) []jarsign.File {
		return []jarsign.File{file("one.jar", cpk(t, cpi.CPK{NoList: true, Files: map[string]string{"META-INF/CPKDependencies.json": text}}, key))}
	}
	attr := func(name, value string) []jarsign.File {
		return []jarsign.File{file("one.jar", cpk(t, cpi.CPK{Attributes: jarsign.Attributes{{Name: name, Value: value}}}, key))}
	}
	cpb, cpiAttrs := attributes("CPB"), attributes("CPI")
	for name, tc := range map[string]struct {
		parts parts
		kind  packaging.Kind
		want  string
	}{
		"no CPI format":              {parts{cpi: without(cpiAttrs, "Corda-CPI-Format")}, "UnknownFormatVersionException", "no Corda-CPI-Format"},
		"CPI format 1.0":             {parts{cpi: with(cpiAttrs, "Corda-CPI-Format", "1.0")}, "UnknownFormatVersionException", "is 1.0"},
		"CPI format of letters":      {parts{cpi: with(cpiAttrs, "Corda-CPI-Format", "two")}, "PackagingException", "digits.digits"},
		"no CPI name":                {parts{cpi: without(cpiAttrs, "Corda-CPI-Name")}, "CordappManifestException", "no Corda-CPI-Name"},
		"a blank CPI version":        {parts{cpi: with(cpiAttrs, "Corda-CPI-Version", " ")}, "CordappManifestException", "no Corda-CPI-Version"},
		"two CPBs":                   {parts{files: []jarsign.File{file("two.cpb", []byte("x"))}}, "PackagingException", "2 CPBs"},
		"a CPB that is no jar":       {parts{noCPB: true, files: []jarsign.File{file("app.cpb", []byte("text"))}}, "ZipException", "app.cpi/app.cpb"},
		"no group policy":            {parts{noGroup: true}, "PackagingException", "no group policy"},
		"two group policies":         {parts{files: []jarsign.File{file("other/GroupPolicy.json", []byte("{}"))}}, "PackagingException", "more than one group policy"},
		"a broken group policy":      {parts{policy: "{"}, "ValidationException", "not a JSON document"},
		"an invalid group policy":    {parts{policy: `{"fileFormatVersion":1}`}, "ValidationException", "groupId"},
		"no CPB format":              {parts{cpb: without(cpb, "Corda-CPB-Format")}, "UnknownFormatVersionException", "app.cpi/app.cpb: the manifest has no Corda-CPB-Format"},
		"no CPB name":                {parts{cpb: without(cpb, "Corda-CPB-Name")}, "CordappManifestException", "no Corda-CPB-Name"},
		"no CPK":                     {parts{cpks: []jarsign.File{file("readme.txt", []byte("x"))}}, "PackagingException", "no CPK in it"},
		"a CPK named .cpk":           {parts{cpks: []jarsign.File{file("one.cpk", []byte("x"))}}, "PackagingException", "no CPK in it"},
		"a CPK in a folder":          {parts{cpks: []jarsign.File{file("cpks/one.jar", []byte("x"))}}, "PackagingException", "no CPK in it"},
		"a CPK that is no jar":       {parts{cpks: []jarsign.File{file("one.jar", []byte("x"))}}, "ZipException", "app.cpi/app.cpb/one.jar"},
		"no dependency list":         {parts{cpks: []jarsign.File{file("one.jar", cpk(t, cpi.CPK{NoList: true, Files: map[string]string{"x": ""}}, key))}}, "PackagingException", "no META-INF/CPKDependencies.json"},
		"a broken dependency list":   {parts{cpks: list("[")}, "DependencyMetadataException", "not a JSON document"},
		"a list without a version":   {parts{cpks: list(`{"dependencies":[]}`)}, "DependencyMetadataException", "formatVersion"},
		"unknown dependency field":   {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1","verifySameSignerAsMe":true,"type":"x"}]}`)}, "DependencyMetadataException", "type"},
		"neither signer nor hash":    {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1"}]}`)}, "DependencyMetadataException", "/dependencies/0"},
		"signer and hash":            {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1","verifySameSignerAsMe":true,"verifyFileHash":{"algorithm":"SHA-256","fileHash":"AAAA"}}]}`)}, "DependencyMetadataException", "/dependencies/0"},
		"same signer: false":         {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1","verifySameSignerAsMe":false}]}`)}, "DependencyMetadataException", "/dependencies/0"},
		"a short file hash":          {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1","verifyFileHash":{"algorithm":"SHA-256","fileHash":"AAAA"}}]}`)}, "DependencyMetadataException", "SHA-256, 3 bytes"},
		"a hash of another kind":     {parts{cpks: list(`{"formatVersion":"2.0","dependencies":[{"name":"a","version":"1","verifyFileHash":{"algorithm":"MD5","fileHash":"AAAA"}}]}`)}, "DependencyMetadataException", "MD5"},
		"an unmet dependency":        {parts{cpks: []jarsign.File{dep(packaging.Dependency{Name: "com.example.none", Version: "1", SameSigner: true})}}, "DependencyResolutionException", "none of that name"},
		"a dependency's version":     {parts{cpks: []jarsign.File{one, dep(packaging.Dependency{Name: "com.example.one", Version: "2.0.0", SameSigner: true})}}, "DependencyResolutionException", "beside it is version 1.0.0"},
		"a dependency's signer":      {parts{cpks: []jarsign.File{file("one.jar", cpk(t, cpi.CPK{}, other)), dep(packaging.Dependency{Name: "com.example.one", Version: "1.0.0", SameSigner: true})}}, "DependencyResolutionException", "one.jar has others"},
		"a dependency's file hash":   {parts{cpks: []jarsign.File{one, dep(packaging.Dependency{Name: "com.example.one", Version: "1.0.0", FileHash: &packaging.FileHash{Algorithm: "SHA-256", Hash: make([]byte, 32)}})}}, "DependencyResolutionException", "must be the file with the SHA-256"},
		"two CPKs of one name":       {parts{cpks: []jarsign.File{one, file("again.jar", cpk(t, cpi.CPK{Version: "2.0.0"}, key))}}, "PackagingException", "the same CorDapp"},
		"no CPK format":              {parts{cpks: attr("Corda-CPK-Format", "")}, "UnknownFormatVersionException", "one.jar"},
		"no symbolic name":           {parts{cpks: attr("Bundle-SymbolicName", "")}, "CordappManifestException", "Bundle-SymbolicName"},
		"no bundle version":          {parts{cpks: attr("Bundle-Version", "")}, "CordappManifestException", "Bundle-Version"},
		"neither contract nor flow":  {parts{cpks: attr("Cordapp-Contract-Name", "")}, "CordappManifestException", "neither"},
		"an incomplete group":        {parts{cpks: attr("Cordapp-Contract-Vendor", "")}, "CordappManifestException", "Cordapp-Contract-Vendor"},
		"a CorDapp version of text":  {parts{cpks: attr("Cordapp-Contract-Version", "one")}, "CordappManifestException", "not a whole number"},
		"a platform version of text": {parts{cpks: attr("Min-Platform-Version", "5.0")}, "CordappManifestException", "not a whole number"},
		"broken external channels":   {parts{cpks: []jarsign.File{file("one.jar", cpk(t, cpi.CPK{Files: map[string]string{"config/external-channels.json": `{"channels":[{"name":"a b","type":"RECEIVE"}]}`}}, key))}}, "ConfigurationValidationException", "/channels/0/name"},
		"a large Liquibase file":     {parts{cpks: []jarsign.File{file("one.jar", cpk(t, cpi.CPK{Files: map[string]string{"migration/x.xml": noise(5 << 20)}}, key))}}, "ZipException", "Liquibase"},
		"a CPK of an unknown signer": {parts{cpks: []jarsign.File{file("one.jar", cpk(t, cpi.CPK{}, signer(t, cert.Options{Seed: "3", Name: certName("Third")})))}}, "CertPathValidatorException", "CN=Third"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.parts.key = key
			_, err := read(t, tc.parts.bytes(t), packaging.VerifyOptions{Trust: []*x509.Certificate{key.Chain[0], other.Chain[0]}})
			if packaging.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got kind %q: %v\nwant kind %q, saying %q", packaging.KindOf(err), err, tc.kind, tc.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "app.cpi") {
				t.Errorf("the error does not begin with the file: %v", err)
			}
		})
	}
}

// The faults that the damage of fixtures and hostile zips make.
func TestReadCPIRefusesDamage(t *testing.T) {
	t.Parallel()
	p := build(t, cpi.Spec{})
	entry := func(name, contents string) []byte { // a CPI with one more, unsigned entry
		b, err := cpi.Add(p.Bytes, name, []byte(contents))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, tc := range map[string]struct {
		file   []byte
		trust  []*x509.Certificate
		limits packaging.Limits
		kind   packaging.Kind
		want   string
	}{
		"truncated":               {build(t, cpi.Spec{Damage: cpi.Truncated}).Bytes, p.Trust, packaging.Limits{}, "ZipException", "truncated"},
		"unsigned":                {build(t, cpi.Spec{Damage: cpi.Unsigned}).Bytes, p.Trust, packaging.Limits{}, "InvalidSignatureException", "it is not signed"},
		"altered by one byte":     {build(t, cpi.Spec{Damage: cpi.Altered}).Bytes, p.Trust, packaging.Limits{}, "SecurityException", `"META-INF/GroupPolicy.json" was altered`},
		"untrusted":               {p.Bytes, signer(t, cert.Options{Seed: "x", Name: certName("X")}).Chain, packaging.Limits{}, "CertPathValidatorException", "CN=Cordage Code Signer, O=Cordage, L=London, C=GB is not among the 1 trusted"},
		"nobody trusted":          {p.Bytes, nil, packaging.Limits{}, "IllegalArgumentException", "no trusted"},
		"zip-slip":                {entry("../../etc/cron.d/x", "x"), p.Trust, packaging.Limits{}, "ZipException", "leads out of the archive"},
		"an absolute name":        {entry("/etc/passwd", "x"), p.Trust, packaging.Limits{}, "ZipException", "absolute"},
		"a duplicate entry":       {entry("META-INF/GroupPolicy.json", "{}"), p.Trust, packaging.Limits{}, "ZipException", "there twice"},
		"a zip bomb":              {entry("bomb", strings.Repeat("\x00", 4<<20)), p.Trust, packaging.Limits{}, "ZipException", "ratio"},
		"larger than allowed":     {p.Bytes, p.Trust, packaging.Limits{FileSize: 1000}, "ZipException", "limit of 1000 bytes"},
		"expands to much inside":  {p.Bytes, p.Trust, packaging.Limits{Total: 9000}, "ZipException", "all files together"},
		"an empty file":           {nil, p.Trust, packaging.Limits{}, "ZipException", "too few"},
		"text":                    {bytes.Repeat([]byte("no zip "), 100), p.Trust, packaging.Limits{}, "ZipException", "not a zip archive"},
		"a CPB instead of a CPI":  {jar(t, attributes("CPB"), []jarsign.File{jarsign.FileOf("one.jar", nil)}, signer(t, cert.Options{})), p.Trust, packaging.Limits{}, "UnknownFormatVersionException", "Corda-CPI-Format"},
		"an unsigned file behind": {entry("extra.txt", "x"), p.Trust, packaging.Limits{}, "InvalidSignatureException", `"extra.txt" is not signed`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(t, tc.file, packaging.VerifyOptions{Trust: tc.trust, Limits: tc.limits})
			if packaging.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got kind %q: %v\nwant kind %q, saying %q", packaging.KindOf(err), err, tc.kind, tc.want)
			}
		})
	}
}

// Every single byte of a small CPI is altered once: none may pass with other contents.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED: verifies one CPI some thousand times")
	}
	p := build(t, cpi.Spec{Content: cpi.Empty})
	want, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Bytes {
		b := bytes.Clone(p.Bytes)
		b[i] ^= 0x55
		c, err := packaging.ReadCPI(t.Context(), bytes.NewReader(b), int64(len(b)), packaging.VerifyOptions{Trust: p.Trust, At: today})
		if err != nil {
			continue
		}
		// Times and comments of the zip format are free; nothing that is read from it may differ.
		if c.ID != want.ID || !bytes.Equal(c.GroupPolicy, want.GroupPolicy) {
			t.Errorf("byte %d altered: accepted with other contents", i)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadCPIExpired(t *testing.T) {
	t.Parallel()
	key := signer(t, cert.Options{Seed: "old", To: time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)})
	p := build(t, cpi.Spec{Key: key})
	_, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust})
	if _, ok := errors.AsType[*packaging.ExpiredError](err); !ok {
		t.Fatalf("got %v, want an ExpiredError inside", err)
	}
	for _, want := range []string{"CN=Cordage Code Signer", "2026-06-02", "2026-11-25T12:00:00Z", "cordage clock set 2026-05-01T00:00:00Z", "cordage.packaging", `"expiredCodeSigners":"accept"`} {
		if !strings.Contains(explain(err), want) {
			t.Errorf("the refusal does not say %q: %s", want, explain(err))
		}
	}
	c, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust, ExpiredCodeSigners: packaging.Accept})
	if err != nil || len(c.Warnings) != 4 { // CPI, CPB and two CPKs
		t.Errorf("accepted: %v, with warnings %q; want one for each of the four jars", err, c.Warnings)
	}
}

// A reading that fails or is called off leaves nothing behind.
func TestReadCPIIsCalledOff(t *testing.T) {
	t.Parallel()
	p := build(t, cpi.Spec{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := packaging.ReadCPI(ctx, bytes.NewReader(p.Bytes), int64(len(p.Bytes)), packaging.VerifyOptions{Trust: p.Trust, At: today})
	if !errors.Is(err, context.Canceled) || packaging.KindOf(err) != "" {
		t.Errorf("got %v, want context.Canceled and no fault", err)
	}
}

// An error of the disk is no fault of the package.
func TestReadCPIOfABrokenDisk(t *testing.T) {
	t.Parallel()
	p := build(t, cpi.Spec{})
	r := &brokenDisk{Reader: bytes.NewReader(p.Bytes), from: int64(len(p.Bytes) / 3), to: int64(len(p.Bytes) / 2)}
	_, err := packaging.ReadCPI(t.Context(), r, int64(len(p.Bytes)), packaging.VerifyOptions{Trust: p.Trust, At: today})
	if !errors.Is(err, errDisk) || packaging.KindOf(err) != "" {
		t.Errorf("got kind %q: %v; want the disk's error and no fault", packaging.KindOf(err), err)
	}
}

var errDisk = errors.New("input/output error")

type brokenDisk struct {
	*bytes.Reader
	from, to int64
}

func (b *brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off < b.to && off+int64(len(p)) > b.from {
		return 0, fmt.Errorf("read at %d: %w", off, errDisk)
	}
	return b.Reader.ReadAt(p, off)
}

// noise is text that does not compress well.
func noise(n int) string { return hex.EncodeToString(random(n / 2)) }
