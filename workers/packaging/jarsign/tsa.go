package jarsign

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net/http"

	"github.com/smallstep/pkcs7"
)

// Timestamper gives a timestamp token (RFC 3161, DER) for a signature.
type Timestamper func(ctx context.Context, signature []byte) ([]byte, error)

// timestampRequest is TimeStampReq of RFC 3161, section 2.4.1.
type timestampRequest struct {
	Version int
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Nonce   *big.Int
	CertReq bool
}

// timestampResponse is TimeStampResp of RFC 3161, section 2.4.2.
type timestampResponse struct {
	Status struct {
		Code int
		// texts and failure bits follow
	}
	Token asn1.RawValue `asn1:"optional"`
}

const maxTimestamp = 1 << 20 // bytes of an authority's answer

// TSA asks a time stamping authority over HTTP.
func TSA(client *http.Client, url string) Timestamper {
	return func(ctx context.Context, signature []byte) ([]byte, error) {
		token, err := askTSA(ctx, client, url, signature)
		if err != nil {
			return nil, fmt.Errorf("get a timestamp from %s: %w", url, err)
		}
		return token, nil
	}
}

func askTSA(ctx context.Context, client *http.Client, url string, signature []byte) ([]byte, error) {
	sum := sha256.Sum256(signature)
	req := timestampRequest{Version: 1, CertReq: true}
	req.Imprint.Algorithm = pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA256, Parameters: asn1.NullRawValue}
	req.Imprint.Digest = sum[:]
	var err error
	if req.Nonce, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64)); err != nil {
		return nil, err
	}
	body, err := asn1.Marshal(req)
	if err != nil {
		return nil, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/timestamp-query")
	answer, err := client.Do(post)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxTimestamp))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", answer.Status)
	}
	var resp timestampResponse
	if _, err := asn1.Unmarshal(text, &resp); err != nil {
		return nil, fmt.Errorf("its answer is no timestamp response: %w", err)
	}
	const granted, grantedWithMods = 0, 1
	if resp.Status.Code != granted && resp.Status.Code != grantedWithMods || len(resp.Token.FullBytes) == 0 {
		return nil, fmt.Errorf("it refused, with status %d", resp.Status.Code)
	}
	// A token for another request or of a broken authority is found now and not when the package is used.
	check := blockSigner{value: signature, unsigned: []attribute{{Type: oidTimestampToken, Value: asn1.RawValue{Bytes: resp.Token.FullBytes}}}}
	if _, err := check.timestamp(); err != nil {
		return nil, err
	}
	return resp.Token.FullBytes, nil
}
