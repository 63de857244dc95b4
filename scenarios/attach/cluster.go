package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
	"github.com/cordage-sandbox/cordage/scenarios/run"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/store"
	notary "github.com/cordage-sandbox/cordage/workers/uniqueness/client"
)

// maxAnswer bounds a REST answer, in bytes.
const maxAnswer = 64 << 20

// REST calls the cluster's REST API.
func (c *Cluster) REST(ctx context.Context, r run.Request) (run.Response, error) {
	e := client.Exchange{Method: r.Method, Path: r.Path, Query: url.Values{}, Login: r.User, Password: r.Password}
	for name, value := range r.Query {
		e.Query.Set(name, value)
	}
	switch {
	case r.File != "":
		body, contentType, err := client.Upload(r.Field, r.File, r.Form)
		if err != nil {
			return run.Response{}, err
		}
		defer body.Close()
		e.Body, e.ContentType = body, contentType
	case r.HasRaw:
		e.Body, e.ContentType = strings.NewReader(r.Raw), "application/json"
	case r.HasJSON:
		text, err := json.Marshal(r.JSON)
		if err != nil {
			return run.Response{}, fmt.Errorf("write the body of %s %s: %w", r.Method, r.Path, err)
		}
		e.Body, e.ContentType = strings.NewReader(string(text)), "application/json"
	}
	resp, err := c.rest.Send(ctx, e)
	if err != nil {
		return run.Response{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return run.Response{}, fmt.Errorf("read the answer to %s %s: %w", r.Method, r.Path, err)
	}
	out := run.Response{Status: resp.StatusCode, Headers: map[string]string{}, Body: string(text)}
	for name := range resp.Header {
		out.Headers[name] = resp.Header.Get(name)
	}
	if parsed, err := parse(text); err == nil {
		out.Body = parsed
	}
	return out, nil
}

// parse reads JSON; whole numbers become int64, so that expressions can count with them.
func parse(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows the value")
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		real, err := v.Float64()
		if err != nil { // beyond what a double holds
			return v.String()
		}
		return real
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}

// Notary asks the uniqueness checker with one batch.
func (c *Cluster) Notary(ctx context.Context, virtualNode string, batch []map[string]any) ([]any, error) {
	node, err := c.rest.VNode(ctx, virtualNode)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal([]any{batch})
	if err != nil {
		return nil, err
	}
	setting, err := c.supervisor.Clock(ctx)
	if err != nil {
		return nil, err
	}
	upper := setting.Now(time.Now()).Add(time.Hour)
	requests, err := notary.ParseFile(strings.NewReader(string(text)), "requests", notary.Defaults{Upper: &upper, Originator: "O=Scenario, L=Leeds, C=GB"})
	if err != nil {
		return nil, err
	}
	holder := ident.HoldingIdentity{X500Name: node.HoldingIdentity.X500Name, GroupID: node.HoldingIdentity.GroupID}
	responses, err := c.notary.Check(ctx, holder, requests[0])
	if err != nil {
		return nil, err
	}
	return list(responses)
}

// list turns values into what JSON has, so that expectations can be compared with them.
func list(v any) ([]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	parsed, err := parse(text)
	if err != nil {
		return nil, err
	}
	items, ok := parsed.([]any)
	if !ok { // null: nothing was found
		return []any{}, nil
	}
	return items, nil
}

// SQL reads from a logical database, as the role that may only read: who wrote the scenario need not be trusted with this
// machine, and a superuser's query may read its files and run its programs, in a read-only transaction too.
func (c *Cluster) SQL(ctx context.Context, database, query string, args []any) ([]any, error) {
	at, err := c.locate(database)
	if err != nil {
		return nil, err
	}
	server := reader.Server{PostgreSQL: c.credentials.PostgreSQL}
	for _, d := range c.credentials.Databases {
		server.Databases = append(server.Databases, d.Database)
	}
	conn, err := c.reader.Connect(ctx, server, at.Database, map[string]string{
		"application_name": "cordage-scenario", "search_path": at.Schema, "timezone": "UTC",
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // nothing is lost
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil {
		return nil, err
	}
	return list(found)
}

// locate finds the schema of a logical database: config, rbac, crypto, or SHORTHASH/vault and so on.
func (c *Cluster) locate(name string) (sandbox.Database, error) {
	hash, kind, ofNode := strings.Cut(name, "/")
	if !ofNode {
		at, ok := c.credentials.Databases[name]
		if !ok {
			return at, fmt.Errorf("there is no logical database %q; it is config, rbac, crypto, or SHORTHASH/vault, /crypto, /uniqueness", name)
		}
		return at, nil
	}
	kinds := map[string]store.NodeKind{"vault": store.Vault, "crypto": store.Crypto, "uniqueness": store.Uniqueness}
	k, ok := kinds[kind]
	if !ok {
		return sandbox.Database{}, fmt.Errorf("a virtual node has no database %q; it has vault, crypto and uniqueness", kind)
	}
	short, err := ident.ParseShortHash(hash)
	if err != nil {
		return sandbox.Database{}, err
	}
	return sandbox.Database{Database: c.credentials.Databases["nodes"].Database, Schema: k.SchemaName(short)}, nil
}

// Package builds and signs a CPI in dir, with a key of its own.
func (c *Cluster) Package(ctx context.Context, dir string, p run.CPI) (map[string]any, error) {
	return BuildPackage(ctx, dir, p)
}

// BuildPackage builds and signs a CPI in dir, with a key of its own, as the outcome of a step "package" tells it.
func BuildPackage(ctx context.Context, dir string, p run.CPI) (map[string]any, error) {
	id := uuid.NewString()
	key, err := cert.New(cert.Options{Seed: id})
	if err != nil {
		return nil, err
	}
	spec := cpi.Spec{
		Name: p.Name, Version: p.Version, Content: cpi.Content(p.Content), GroupID: p.GroupID, Members: p.Members, Key: key,
		Damage: cpi.Damage(p.Damage),
	}
	if spec.Version == "" {
		spec.Version = "1.0"
	}
	if spec.GroupID == "" {
		spec.GroupID = uuid.NewString()
	}
	built, err := spec.Build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build CPI %s: %w", p.Name, err)
	}
	file, certificate := filepath.Join(dir, id+".cpi"), filepath.Join(dir, id+".pem")
	if err := os.WriteFile(file, built.Bytes, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(certificate, built.Certificates, 0o600); err != nil {
		return nil, err
	}
	return map[string]any{
		"file": file, "certificate": certificate, "checksum": strings.TrimPrefix(built.Checksum, "SHA-256:"),
		"groupId": built.GroupID, "name": spec.Name, "version": spec.Version,
	}, nil
}
