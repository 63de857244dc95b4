package jarsign_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/workers/packaging/fault"
	"github.com/cordage-sandbox/cordage/workers/packaging/jarsign"
)

// authority is a time stamping authority: it stamps what it is asked to, with the time that it is told.
type authority struct {
	key   jarsign.Key
	time  string // GeneralizedTime
	wrong bool   // it stamps something else
}

type imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

type stampRequest struct {
	Version int
	Imprint imprint
	Policy  asn1.ObjectIdentifier `asn1:"optional"`
	Nonce   *big.Int              `asn1:"optional"`
	CertReq bool                  `asn1:"optional"`
}

type stampInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint imprint
	Serial  *big.Int
	Time    asn1.RawValue
	Nonce   *big.Int `asn1:"optional"`
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var req stampRequest
	if _, err := asn1.Unmarshal(body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if a.wrong {
		sum := sha256.Sum256([]byte("something else"))
		req.Imprint = imprint{pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA256}, sum[:]}
	}
	token, err := a.token(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer, err := asn1.Marshal(struct {
		Status struct{ Code int }
		Token  asn1.RawValue
	}{Token: asn1.RawValue{FullBytes: token}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(answer) // the client sees a short answer
}

func (a *authority) token(req stampRequest) ([]byte, error) {
	info, err := asn1.Marshal(stampInfo{
		Version: 1, Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Imprint: req.Imprint, Serial: big.NewInt(1),
		Time: asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(a.time)}, Nonce: req.Nonce,
	})
	if err != nil {
		return nil, err
	}
	sd, err := pkcs7.NewSignedData(info)
	if err != nil {
		return nil, err
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	sd.GetSignedData().ContentInfo.ContentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	if err := sd.AddSignerChain(a.key.Chain[0], a.key.Private, a.key.Chain[1:], pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	return sd.Finish()
}

func serve(t *testing.T, a *authority) string {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return s.URL
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)
	signer := newKey(t, cert.Options{Seed: "short", Name: named("Short"), To: end})
	tsaRoot := newKey(t, cert.Options{Seed: "tsa root", Name: named("TSA Root"), CA: true})
	tsa := newKey(t, cert.Options{Seed: "tsa", Name: named("TSA"), Stamps: true, Issuer: &tsaRoot})
	tsaOld := newKey(t, cert.Options{Seed: "tsa old", Name: named("TSA Old"), Stamps: true, To: end})
	notTSA := newKey(t, cert.Options{Seed: "not tsa", Name: named("Not TSA")})
	for name, tc := range map[string]struct {
		tsa    authority
		trust  []*x509.Certificate
		accept bool
		want   string
	}{
		"made in time":                 {authority{key: tsa, time: "20260501120000Z"}, tsaRoot.Chain, false, ""},
		"made in time, with fractions": {authority{key: tsa, time: "20260501120000.123Z"}, tsaRoot.Chain, false, ""},
		"made too late":                {authority{key: tsa, time: "20260701120000Z"}, tsaRoot.Chain, false, "by its timestamp, at 2026-07-01T12:00:00Z"},
		"the authority is not trusted": {authority{key: tsa, time: "20260501120000Z"}, nil, false, "lead to CN=TSA Root"},
		"the authority has expired":    {authority{key: tsaOld, time: "20260501120000Z"}, tsaOld.Chain, false, "time stamping authority CN=TSA Old"},
		"expired ones accepted":        {authority{key: tsaOld, time: "20260501120000Z"}, tsaOld.Chain, true, ""},
		"no time stamping certificate": {authority{key: notTSA, time: "20260501120000Z"}, notTSA.Chain, false, "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jar := signed(t, signer, jarsign.SignOptions{Timestamp: jarsign.TSA(http.DefaultClient, serve(t, &tc.tsa))})
			opts := jarsign.Options{Trust: append(signer.Chain[:1:1], tc.trust...)}
			if tc.accept {
				opts.ExpiredSigners = jarsign.Accept
			}
			got, err := verify(t, jar, opts)
			if tc.want == "" {
				if err != nil || got.Signers[0].Timestamp.Time.Year() != 2026 {
					t.Errorf("got %v, want a valid jar", err)
				}
				return
			}
			if fault.KindOf(err) != fault.CertPath || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want a fault saying %q", err, tc.want)
			}
		})
	}
}

func TestTimestampHint(t *testing.T) {
	t.Parallel()
	signer := newKey(t, cert.Options{Seed: "short", Name: named("Short"), To: time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)})
	tsa := newKey(t, cert.Options{Seed: "tsa", Name: named("TSA"), Stamps: true})
	jar := signed(t, signer, jarsign.SignOptions{Timestamp: jarsign.TSA(http.DefaultClient, serve(t, &authority{key: tsa, time: "20270101000000Z"}))})
	_, err := verify(t, jar, jarsign.Options{Trust: append(signer.Chain[:1:1], tsa.Chain...)})
	expired, ok := errors.AsType[*jarsign.ExpiredError](err)
	if !ok || strings.Contains(expired.Hint(), "cordage clock") {
		t.Errorf("got %v: moving the clock is no way out when a timestamp decides", err)
	}
}

func TestTSARefusesTokensForSomethingElse(t *testing.T) {
	t.Parallel()
	tsa := newKey(t, cert.Options{Seed: "tsa", Name: named("TSA"), Stamps: true})
	url := serve(t, &authority{key: tsa, time: "20260501120000Z", wrong: true})
	if _, err := jarsign.TSA(http.DefaultClient, url)(t.Context(), []byte("signature")); err == nil || !strings.Contains(err.Error(), "another signature") {
		t.Errorf("got %v, want an error about another signature", err)
	}
}

// The JDK's signer asks our authority, and our verifier reads its token.
func TestVerifiesTimestampsOfJarsigner(t *testing.T) {
	t.Parallel()
	jdk(t)
	tsa := newKey(t, cert.Options{Seed: "tsa", Name: named("TSA"), Stamps: true})
	url := serve(t, &authority{key: tsa, time: "20260501120000Z"})
	store, c := keystore(t, ecKey(t, elliptic.P256()))
	out := filepath.Join(t.TempDir(), "signed.jar")
	run(t, "jarsigner", "-keystore", store, "-storepass", storePassword, "-tsa", url, "-signedjar", out, unsignedJar(t), "1")
	jar, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	far := time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC) // the signer's certificate ends in 2035, the authority's in 2040
	got, err := verify(t, jar, jarsign.Options{Trust: []*x509.Certificate{c, tsa.Chain[0]}, At: far})
	if err != nil || got.Signers[0].Timestamp == nil {
		t.Errorf("got %+v, %v; want a jar that its timestamp keeps valid", got, err)
	}
}
