package database

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// certificates answers on certificates.rpc.ops: it keeps the cluster's certificate chains in config.cluster_certificate.
// Certificates of virtual nodes are not covered.
type certificates struct {
	config *pgxpool.Pool
}

// Limits of what is stored.
const (
	maxCertificateText = 1 << 20 // bytes of PEM under one alias
	maxAlias           = 255     // characters, as the column
)

// handle answers one request. What is wrong with the request is in the response's failure; the error is of the database.
func (c *certificates) handle(ctx context.Context, q record.CertificateRequest) (record.CertificateResponse, error) {
	usage := strings.ToLower(strings.TrimSpace(q.Usage))
	switch usage {
	case "p2p-tls", "p2p-session", "rest-tls", "code-signer":
	default:
		return refuseCertificate("unknown certificate usage %q: p2p-tls, p2p-session, rest-tls and code-signer are known", q.Usage), nil
	}
	switch {
	case q.Import != nil:
		return c.store(ctx, usage, *q.Import)
	case q.List:
		return c.list(ctx, usage)
	case q.Get != "":
		return c.get(ctx, usage, q.Get)
	default:
		return refuseCertificate("a certificate request must import, list or get"), nil
	}
}

func refuseCertificate(format string, args ...any) record.CertificateResponse {
	return record.CertificateResponse{Failure: &record.Failure{
		Type: record.FailureInvalidCertificate, Message: fmt.Sprintf(format, args...)}}
}

func refuseAlias(format string, args ...any) record.CertificateResponse {
	return record.CertificateResponse{Failure: &record.Failure{
		Type: record.FailureInvalidAlias, Message: fmt.Sprintf(format, args...)}}
}

// store puts the chain under its alias, replacing what is there. An alias belongs to one usage: Corda 5.0 replaces the
// text and silently keeps the earlier usage, so that the chain is not found where it was put.
func (c *certificates) store(ctx context.Context, usage string, q record.CertificateImport) (record.CertificateResponse, error) {
	switch {
	case strings.TrimSpace(q.Alias) == "":
		return refuseAlias("the alias of a certificate must not be blank"), nil
	case !storableText(q.Alias, maxAlias):
		return refuseAlias("the alias of a certificate must be text of at most %d characters", maxAlias), nil
	}
	chain, err := parseCertificates(q.PEM)
	if err != nil {
		return refuseCertificate("certificate %s: %v", q.Alias, err), nil
	}
	var kept string
	err = c.config.QueryRow(ctx, `
		INSERT INTO cluster_certificate AS c (alias, usage, raw_certificate) VALUES ($1, $2, $3)
		ON CONFLICT (alias) DO UPDATE
			SET raw_certificate = CASE WHEN c.usage = excluded.usage THEN excluded.raw_certificate ELSE c.raw_certificate END
		RETURNING usage`, q.Alias, usage, encodeCertificates(chain)).Scan(&kept)
	if err != nil {
		return record.CertificateResponse{}, fmt.Errorf("store certificate %s: %w", q.Alias, err)
	}
	if kept != usage {
		return refuseAlias("alias %s is taken by a certificate of usage %s: choose another alias", q.Alias, kept), nil
	}
	return record.CertificateResponse{}, nil
}

func (c *certificates) list(ctx context.Context, usage string) (record.CertificateResponse, error) {
	rows, err := c.config.Query(ctx, `SELECT alias FROM cluster_certificate WHERE usage = $1 ORDER BY alias`, usage)
	if err != nil {
		return record.CertificateResponse{}, fmt.Errorf("list certificates: %w", err)
	}
	aliases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return record.CertificateResponse{}, fmt.Errorf("list certificates: %w", err)
	}
	return record.CertificateResponse{Aliases: aliases}, nil
}

func (c *certificates) get(ctx context.Context, usage, alias string) (record.CertificateResponse, error) {
	if !storableText(alias, maxAlias) {
		return record.CertificateResponse{}, nil // no such text can be stored, so there is none
	}
	rows, err := c.config.Query(ctx, `SELECT raw_certificate FROM cluster_certificate WHERE usage = $1 AND alias = $2`, usage, alias)
	if err != nil {
		return record.CertificateResponse{}, fmt.Errorf("get certificate %s: %w", alias, err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(texts) == 0 {
		return record.CertificateResponse{}, err
	}
	return record.CertificateResponse{PEM: &texts[0]}, nil
}

// codeSigners reads every certificate of usage code-signer: the anchors of trust in packages.
func codeSigners(ctx context.Context, config querier) ([]*x509.Certificate, error) {
	rows, err := config.Query(ctx, `SELECT alias, raw_certificate FROM cluster_certificate WHERE usage = 'code-signer' ORDER BY alias`)
	if err != nil {
		return nil, fmt.Errorf("read code-signing certificates: %w", err)
	}
	var all []*x509.Certificate
	var alias, text string
	_, err = pgx.ForEachRow(rows, []any{&alias, &text}, func() error {
		chain, err := parseCertificates(text)
		if err != nil {
			return fmt.Errorf("stored certificate %s: %w", alias, err)
		}
		all = append(all, chain...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read code-signing certificates: %w", err)
	}
	return all, nil
}

// parseCertificates reads PEM text with one or more certificates and nothing else between their markers.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	if len(text) > maxCertificateText {
		return nil, fmt.Errorf("%d bytes of PEM, at most %d are accepted", len(text), maxCertificateText)
	}
	var chain []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d of the PEM text is %q, not a CERTIFICATE", len(chain)+1, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the PEM text cannot be read: %w", len(chain)+1, err)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("the text holds no certificate in PEM form")
	}
	return chain, nil
}

func encodeCertificates(chain []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a strings.Builder never fails
	}
	return b.String()
}

// storableText tells whether a text of at most n characters can be stored: PostgreSQL takes neither invalid UTF-8 nor NUL.
func storableText(s string, n int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && !strings.ContainsRune(s, 0)
}
