package jarsign_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging/archive"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB, o cert.Options) jarsign.Key {
	t.Helper()
	k, err := cert.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func named(cn string) pkix.Name {
	return pkix.Name{CommonName: cn, Organization: []string{"Acme"}, Locality: []string{"Leeds"}, Country: []string{"GB"}}
}

// files of a small jar, in order.
func files() []jarsign.File {
	return []jarsign.File{
		jarsign.FileOf("com/example/A.class", []byte("class A")),
		jarsign.FileOf("com/example/a-name-that-is-so-long-that-the-manifest-needs-to-fold-it/B.class", []byte("class B")),
		jarsign.FileOf("META-INF/data.json", []byte("{}")),
	}
}

func signed(t testing.TB, key jarsign.Key, opts jarsign.SignOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jarsign.Build(t.Context(), &out, jarsign.Attributes{{Name: "Main", Value: "attribute"}}, files(), key, opts); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verify(t testing.TB, jar []byte, opts jarsign.Options) (*jarsign.Jar, error) {
	t.Helper()
	if opts.At.IsZero() {
		opts.At = today
	}
	a, err := archive.Open(bytes.NewReader(jar), int64(len(jar)), archive.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return jarsign.Verify(t.Context(), a, opts)
}

// entry is a file of a jar that is being tampered with.
type entry struct{ name, contents string }

// tamper unpacks a jar, lets edit change it and packs it again, signatures untouched.
func tamper(t testing.TB, jar []byte, edit func([]entry) []entry) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{f.Name, string(text)})
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range edit(entries) {
		to, err := w.Create(e.name)
		if err == nil && !strings.HasSuffix(e.name, "/") {
			_, err = to.Write([]byte(e.contents))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func replace(name, old, new string) func([]entry) []entry {
	return func(es []entry) []entry {
		for i := range es {
			if es[i].name == name {
				es[i].contents = strings.Replace(es[i].contents, old, new, 1)
			}
		}
		return es
	}
}

func move(es []entry, from, to int) []entry {
	e := es[from]
	es = append(es[:from:from], es[from+1:]...)
	return append(es[:to:to], append([]entry{e}, es[to:]...)...)
}

func TestVerifyRefusesTampering(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, cert.Options{}), newKey(t, cert.Options{Seed: "other", Name: named("Other")})
	good := signed(t, key, jarsign.SignOptions{})
	var foreign bytes.Buffer
	if err := jarsign.Build(t.Context(), &foreign, nil, files(), other, jarsign.SignOptions{}); err != nil {
		t.Fatal(err)
	}
	foreignBlock := ""
	tamper(t, foreign.Bytes(), func(es []entry) []entry { foreignBlock = es[2].contents; return es })
	const sf, mf = "META-INF/CORDAGE.SF", jarsign.ManifestName
	for name, tc := range map[string]struct {
		edit func([]entry) []entry
		kind fault.Kind
		want string
	}{
		"a file altered by one byte": {replace("com/example/A.class", "class A", "class B"), fault.Security, "altered"},
		"a file added":               {func(es []entry) []entry { return append(es, entry{"evil.class", "x"}) }, fault.Signature, `"evil.class" is not signed`},
		"a file added and listed": {func(es []entry) []entry {
			es[0].contents += "Name: evil.class\r\nSHA-256-Digest: LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\r\n\r\n"
			return append(es, entry{"evil.class", "x"})
		}, fault.Signature, `"evil.class" is not signed`},
		"a file removed":             {func(es []entry) []entry { return es[:len(es)-1] }, fault.Security, "which is not there"},
		"no signature":               {func(es []entry) []entry { return append(es[:1], es[3:]...) }, fault.Signature, "it is not signed"},
		"no block":                   {func(es []entry) []entry { return append(es[:2], es[3:]...) }, fault.Signature, "it is not signed"},
		"no files":                   {func(es []entry) []entry { return es[:3] }, fault.Signature, "no signed file"},
		"no manifest":                {func(es []entry) []entry { return es[1:] }, fault.Manifest, "missing or not the first"},
		"the manifest second":        {func(es []entry) []entry { return move(es, 0, 1) }, fault.Manifest, "missing or not the first"},
		"nothing at all":             {func([]entry) []entry { return nil }, fault.Manifest, "missing or not the first"},
		"a second manifest":          {func(es []entry) []entry { return append(es, entry{"meta-inf/manifest.mf", "A: b\n"}) }, fault.Manifest, "second manifest"},
		"signature files at the end": {func(es []entry) []entry { return append(append(es[:1:1], es[3:]...), es[1], es[2]) }, fault.Signature, "directly on the manifest"},
		"the block at the end":       {func(es []entry) []entry { return move(es, 2, 5) }, fault.Signature, "directly on the manifest"},
		"another main attribute":     {replace(mf, "attribute", "attribUte"), fault.Security, "main attributes"},
		"another digest in manifest": {replace(mf, "SHA-256-Digest: ", "SHA-256-Digest: AAAA"), fault.Security, "section for"},
		"a broken manifest":          {replace(mf, "Main: ", "Main "), fault.Manifest, "line 2"},
		"another signature file":     {replace(sf, "Cordage", "Kordage"), fault.Security, "does not hold"},
		"a block of another jar":     {func(es []entry) []entry { es[2].contents = foreignBlock; return es }, fault.Security, "does not hold"},
		"a block of nothing":         {func(es []entry) []entry { es[2].contents = "x"; return es }, fault.Security, "PKCS#7"},
		"a block nested without end": {func(es []entry) []entry { es[2].contents = strings.Repeat("\x30\x80", 120<<10); return es }, fault.Security, "PKCS#7"},
		"many signature files": {func(es []entry) []entry {
			for i := range 40 {
				es = append(es[:3:3], append([]entry{{fmt.Sprintf("META-INF/S%d.SF", i), ""}}, es[3:]...)...)
			}
			return es
		}, fault.Signature, "more than 32 signature files"},
		"INDEX.LIST is not an excuse":  {func(es []entry) []entry { return append(es, entry{"META-INF/INDEX.LIST", "x"}) }, fault.Signature, "is not signed"},
		"SIG- of three letters either": {func(es []entry) []entry { return append(es, entry{"META-INF/SIG-A.ABC", "x"}) }, fault.Signature, "is not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verify(t, tamper(t, good, tc.edit), jarsign.Options{Trust: key.Chain})
			if fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got kind %q, %v; want kind %q, saying %q", fault.KindOf(err), err, tc.kind, tc.want)
			}
		})
	}
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	key, second := newKey(t, cert.Options{}), newKey(t, cert.Options{Seed: "2", Name: named("Second")})
	good := signed(t, key, jarsign.SignOptions{})
	add := func(jar []byte, keep bool) []byte {
		a, err := archive.Open(bytes.NewReader(jar), int64(len(jar)), archive.Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := jarsign.Sign(t.Context(), &out, a, second, jarsign.SignOptions{Signature: "SECOND", Keep: keep}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	both := slices.Concat(key.Chain, second.Chain)
	for name, tc := range map[string]struct {
		jar     []byte
		trust   []*x509.Certificate
		signers int
	}{
		"as built":                        {good, key.Chain, 1},
		"signed again":                    {add(good, false), second.Chain, 1},
		"signed twice":                    {add(good, true), both, 2},
		"META-INF/ before the manifest":   {tamper(t, good, func(es []entry) []entry { return append([]entry{{"META-INF/", ""}}, es...) }), key.Chain, 1},
		"META-INF/ before the signatures": {tamper(t, good, func(es []entry) []entry { return move(append(es, entry{"META-INF/", ""}), len(es), 1) }), key.Chain, 1},
		"directories unsigned":            {tamper(t, good, func(es []entry) []entry { return append(es, entry{"com/", ""}) }), key.Chain, 1},
		"signature-related files":         {tamper(t, good, func(es []entry) []entry { return append(es, entry{"META-INF/SIG-X", "x"}) }), key.Chain, 1},
		"other trusted certificates too":  {good, both, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jar, err := verify(t, tc.jar, jarsign.Options{Trust: tc.trust})
			if err != nil || len(jar.Signers) != tc.signers || jar.Manifest.Main.Value("Main") != "attribute" {
				t.Errorf("got %+v, %v; want %d signers", jar, err, tc.signers)
			}
		})
	}
	if again := signed(t, key, jarsign.SignOptions{}); !bytes.Equal(again, good) {
		t.Error("two builds of the same differ")
	}
}

// A second signer who signed only some of the files makes the signers differ.
func TestVerifyWantsTheSameSigners(t *testing.T) {
	t.Parallel()
	key, second := newKey(t, cert.Options{}), newKey(t, cert.Options{Seed: "2", Name: named("Second")})
	whole := signed(t, key, jarsign.SignOptions{})
	var part bytes.Buffer // the same manifest but for its last section, so sections have the same digests
	if err := jarsign.Build(t.Context(), &part, jarsign.Attributes{{Name: "Main", Value: "attribute"}}, files()[:2], second, jarsign.SignOptions{Signature: "SECOND"}); err != nil {
		t.Fatal(err)
	}
	var sf, block entry
	tamper(t, part.Bytes(), func(es []entry) []entry { sf, block = es[1], es[2]; return es })
	mixed := tamper(t, whole, func(es []entry) []entry { return append(es[:3:3], append([]entry{sf, block}, es[3:]...)...) })
	_, err := verify(t, mixed, jarsign.Options{Trust: append(key.Chain[:1:1], second.Chain...)})
	if fault.KindOf(err) != fault.Signature || !strings.Contains(err.Error(), "do not have the same signers") {
		t.Errorf("got %v, want a fault about different signers", err)
	}
}

func TestVerifyPaths(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	root := newKey(t, cert.Options{Seed: "root", Name: named("Root"), CA: true})
	middle := newKey(t, cert.Options{Seed: "middle", Name: named("Middle"), CA: true, Issuer: &root})
	leaf := newKey(t, cert.Options{Seed: "leaf", Name: named("Leaf"), Issuer: &middle})
	noRoot := leaf
	noRoot.Chain = leaf.Chain[:2]
	old := newKey(t, cert.Options{Seed: "old", Name: named("Old"), Issuer: &middle, To: day(2026, 6, 2)})
	selfOld := newKey(t, cert.Options{Seed: "self old", Name: named("Self Old"), From: day(2026, 5, 20), To: day(2026, 6, 2)})
	future := newKey(t, cert.Options{Seed: "future", Name: named("Future"), From: day(2030, 1, 1)})
	oldMiddle := newKey(t, cert.Options{Seed: "middle", Name: named("Middle"), CA: true, Issuer: &root, To: day(2025, 1, 1)})
	underOld := newKey(t, cert.Options{Seed: "leaf", Name: named("Leaf"), Issuer: &oldMiddle})
	impostor := newKey(t, cert.Options{Seed: "impostor", Name: named("Root"), CA: true})
	other := newKey(t, cert.Options{Seed: "other", Name: named("Other")})
	just := func(ks ...jarsign.Key) (out []*x509.Certificate) {
		for _, k := range ks {
			out = append(out, k.Chain[0])
		}
		return out
	}
	for name, tc := range map[string]struct {
		key     jarsign.Key
		trust   []*x509.Certificate
		at      time.Time
		accept  bool
		want    string // in the error; "" for none
		warning string
		hint    string
	}{
		"root trusted":                       {key: leaf, trust: just(root)},
		"root not shipped":                   {key: noRoot, trust: just(root)},
		"the intermediate, when it is last":  {key: jarsign.Key{Private: leaf.Private, Chain: leaf.Chain[:1]}, trust: just(middle)},
		"only the intermediate":              {key: leaf, trust: just(middle), want: "lead to CN=Root"},
		"only the leaf":                      {key: leaf, trust: just(leaf), want: "lead to CN=Root", hint: "import the certificate of CN=Root"},
		"nothing":                            {key: leaf, want: "no trusted code-signing certificate"},
		"a self-signed leaf":                 {key: other, trust: just(other)},
		"another self-signed leaf":           {key: other, trust: just(leaf, root), want: "self-signed certificate of the signer CN=Other, O=Acme, L=Leeds, C=GB is not among the 2"},
		"another key of the root's name":     {key: leaf, trust: just(impostor), want: "CN=Root, O=Acme, L=Leeds, C=GB; a code-signing certificate of that name is trusted, but it is another one", hint: "import the certificate of CN=Root"},
		"both roots of that name":            {key: leaf, trust: just(impostor, root)},
		"expired":                            {key: old, trust: just(root), want: "CN=Old, O=Acme, L=Leeds, C=GB expired on 2026-06-02T00:00:00Z, and the clock stands at 2026-11-25T12:00:00Z", hint: "cordage clock set 2026-05-01T00:00:00Z"},
		"expired, the setting named":         {key: old, trust: just(root), want: "expired", hint: `cordage.packaging set {"expiredCodeSigners":"accept"}`},
		"expired, before its end":            {key: old, trust: just(root), at: day(2026, 5, 1)},
		"expired, in its last second":        {key: old, trust: just(root), at: day(2026, 6, 2)},
		"expired, a second later":            {key: old, trust: just(root), at: day(2026, 6, 2).Add(time.Second), want: "expired on 2026-06-02"},
		"expired, accepted":                  {key: old, trust: just(root), accept: true, warning: "CN=Old, O=Acme, L=Leeds, C=GB expired on 2026-06-02"},
		"expired, accepted, but untrusted":   {key: old, trust: just(other), accept: true, want: "lead to CN=Root"},
		"expired, accepted, wrong root key":  {key: old, trust: just(impostor), accept: true, want: "it is another one"},
		"expired, self-signed":               {key: selfOld, trust: just(selfOld), want: "expired on", hint: "cordage clock set 2026-05-20T00:00:00Z"},
		"expired, self-signed, accepted":     {key: selfOld, trust: just(selfOld), accept: true, warning: "expired on"},
		"the intermediate expired":           {key: underOld, trust: just(root), want: "CN=Middle, O=Acme, L=Leeds, C=GB expired on 2025-01-01"},
		"the intermediate expired, accepted": {key: underOld, trust: just(root), accept: true, warning: "CN=Middle"},
		"not yet valid":                      {key: future, trust: just(future), want: "valid from 2030-01-01", hint: "cordage clock set 2030-01-01T00:00:00Z"},
		"not yet valid is not expired":       {key: future, trust: just(future), accept: true, want: "valid from 2030-01-01"},
		"before all time":                    {key: leaf, trust: just(root), at: day(1999, 1, 1), want: "valid from 2020-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := jarsign.Options{Trust: tc.trust, At: tc.at}
			if tc.accept {
				opts.ExpiredSigners = jarsign.Accept
			}
			jar, err := verify(t, signed(t, tc.key, jarsign.SignOptions{}), opts)
			if tc.want == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				if all := strings.Join(jar.Warnings, "\n"); tc.warning == "" && all != "" || !strings.Contains(all, tc.warning) {
					t.Errorf("warnings are %q, want %q", all, tc.warning)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error saying %q", err, tc.want)
			}
			h, _ := errors.AsType[*fault.Error](err)
			if !strings.Contains(h.Hint(), tc.hint) {
				t.Errorf("the hint is %q, want %q in it", h.Hint(), tc.hint)
			}
		})
	}
}

func TestVerifyStopsWhenCalledOff(t *testing.T) {
	t.Parallel()
	key := newKey(t, cert.Options{})
	jar := signed(t, key, jarsign.SignOptions{})
	a, err := archive.Open(bytes.NewReader(jar), int64(len(jar)), archive.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jarsign.Verify(ctx, a, jarsign.Options{Trust: key.Chain, At: today}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestKeyCheckRefuses(t *testing.T) {
	t.Parallel()
	root := newKey(t, cert.Options{Seed: "root", Name: named("Root"), CA: true})
	leaf := newKey(t, cert.Options{Seed: "leaf", Name: named("Leaf"), Issuer: &root})
	other := newKey(t, cert.Options{Seed: "other"})
	under := newKey(t, cert.Options{Seed: "under", Name: named("Under"), Issuer: &other})
	for name, tc := range map[string]struct {
		key  jarsign.Key
		want string
	}{
		"no certificate":          {jarsign.Key{Private: leaf.Private}, "at least its own certificate"},
		"another's certificate":   {jarsign.Key{Private: leaf.Private, Chain: other.Chain}, "does not belong"},
		"a chain out of order":    {jarsign.Key{Private: leaf.Private, Chain: []*x509.Certificate{leaf.Chain[0], other.Chain[0]}}, "did not issue"},
		"an issuer that is no CA": {under, "did not issue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tc.key.Check(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error saying %q", err, tc.want)
			}
		})
	}
}
