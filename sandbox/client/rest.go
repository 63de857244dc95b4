package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// REST is a client of the cluster's REST API that trusts the sandbox's authority and nobody else; safe for concurrent use.
type REST struct {
	base     string
	login    string
	password string
	http     *http.Client
}

// NewREST makes a client from a sandbox's credentials.
func NewREST(c sandbox.RESTCredentials) (*REST, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(c.Authority)) {
		return nil, errors.New("make a client of the REST API: the sandbox's authority is no PEM text")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &REST{strings.TrimSuffix(c.URL, "/"), c.Login, c.Password, &http.Client{Transport: transport}}, nil
}

// RefusedError is an answer of the REST API that is not a success.
type RefusedError struct {
	Attempt string // method and path
	Status  int
	Title   string
	Details map[string]string
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%s: the cluster answers %d: %s", e.Attempt, e.Status, e.Title)
	for _, name := range sortedKeys(e.Details) {
		if d := e.Details[name]; d != "" && !strings.Contains(text, d) {
			text += fmt.Sprintf("\n  %s: %s", name, d)
		}
	}
	return text
}

// CPIID names a CPI.
type CPIID struct {
	Name    string `json:"cpiName"`
	Version string `json:"cpiVersion"`
	Signers string `json:"signerSummaryHash"`
}

// CPI is an uploaded CPI.
type CPI struct {
	ID           CPIID           `json:"id"`
	Checksum     string          `json:"cpiFileChecksum"` // first 12 hex digits
	FullChecksum string          `json:"cpiFileFullChecksum"`
	CPKs         json.RawMessage `json:"cpks"`
	GroupPolicy  string          `json:"groupPolicy"`
	Timestamp    time.Time       `json:"timestamp"`
}

// CPIStatus is how far an upload is.
type CPIStatus struct {
	Status   string `json:"status"` // OK when done
	Checksum string `json:"cpiFileChecksum"`
}

// VNode is a virtual node.
type VNode struct {
	HoldingIdentity struct {
		X500Name  string `json:"x500Name"`
		GroupID   string `json:"groupId"`
		ShortHash string `json:"shortHash"`
		FullHash  string `json:"fullHash"`
	} `json:"holdingIdentity"`
	CPI           CPIID  `json:"cpiIdentifier"`
	VaultDML      string `json:"vaultDmlConnectionId"`
	CryptoDML     string `json:"cryptoDmlConnectionId"`
	UniquenessDML string `json:"uniquenessDmlConnectionId"`
	FlowP2P       string `json:"flowP2pOperationalStatus"`
	FlowStart     string `json:"flowStartOperationalStatus"`
	Flow          string `json:"flowOperationalStatus"`
	VaultDB       string `json:"vaultDbOperationalStatus"`
}

// VNodeStatus is how far the making of a virtual node is.
type VNodeStatus struct {
	RequestID   string    `json:"requestId"`
	Operation   string    `json:"operation"`
	Status      string    `json:"status"` // ACCEPTED, IN_PROGRESS, SUCCEEDED, FAILED, ABORTED
	LastUpdated time.Time `json:"lastUpdatedTimestamp"`
	Stage       *string   `json:"processingStage"`
	Error       *string   `json:"errorReason"`
	ResourceID  *string   `json:"resourceId"`
}

// Section is a section of the cluster's configuration.
type Section struct {
	Section       string `json:"section"`
	Source        string `json:"sourceConfig"`
	WithDefaults  string `json:"configWithDefaults"`
	SchemaVersion struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
	} `json:"schemaVersion"`
	Version int `json:"version"`
}

// UploadCPI uploads a CPI and returns the id of the upload. progress, unless nil, is told how many bytes of the file have
// been sent, from another goroutine.
func (c *REST) UploadCPI(ctx context.Context, path string, progress func(sent int64)) (id string, err error) {
	var answer struct {
		ID string `json:"id"`
	}
	err = c.multipartFile(ctx, http.MethodPost, "/cpi", "upload", path, nil, progress, &answer)
	return answer.ID, err
}

// CPIStatus tells how far an upload is. A refused CPI is a *RefusedError that tells why.
func (c *REST) CPIStatus(ctx context.Context, id string) (s CPIStatus, err error) {
	err = c.call(ctx, http.MethodGet, "/cpi/status/"+url.PathEscape(id), nil, &s)
	return s, err
}

// CPIs lists the uploaded CPIs.
func (c *REST) CPIs(ctx context.Context) ([]CPI, error) {
	var answer struct {
		CPIs []CPI `json:"cpis"`
	}
	err := c.call(ctx, http.MethodGet, "/cpi", nil, &answer)
	return answer.CPIs, err
}

// ImportCertificate imports a certificate of the cluster, such as of usage code-signer, under an alias.
func (c *REST) ImportCertificate(ctx context.Context, usage, alias, path string) error {
	return c.multipartFile(ctx, http.MethodPut, "/certificates/cluster/"+url.PathEscape(usage), "certificate", path,
		map[string]string{"alias": alias}, nil, nil)
}

// Certificates lists the aliases of a usage.
func (c *REST) Certificates(ctx context.Context, usage string) (aliases []string, err error) {
	err = c.call(ctx, http.MethodGet, "/certificates/cluster/"+url.PathEscape(usage), nil, &aliases)
	return aliases, err
}

// Certificate is the PEM text of a certificate.
func (c *REST) Certificate(ctx context.Context, usage, alias string) (string, error) {
	var text rawText
	path := "/certificates/cluster/" + url.PathEscape(usage) + "/" + url.PathEscape(alias)
	err := c.call(ctx, http.MethodGet, path, nil, &text)
	return string(text), err
}

// CreateVNode asks for a virtual node and returns the id of the request.
func (c *REST) CreateVNode(ctx context.Context, x500Name, cpiChecksum string) (requestID string, err error) {
	var answer struct {
		RequestID string `json:"requestId"`
	}
	err = c.call(ctx, http.MethodPost, "/virtualnode", map[string]string{"x500Name": x500Name, "cpiFileChecksum": cpiChecksum}, &answer)
	return answer.RequestID, err
}

// VNodeStatus tells how far a request is.
func (c *REST) VNodeStatus(ctx context.Context, requestID string) (s VNodeStatus, err error) {
	err = c.call(ctx, http.MethodGet, "/virtualnode/status/"+url.PathEscape(requestID), nil, &s)
	return s, err
}

// VNodes lists the virtual nodes.
func (c *REST) VNodes(ctx context.Context) ([]VNode, error) {
	var answer struct {
		VNodes []VNode `json:"virtualNodes"`
	}
	err := c.call(ctx, http.MethodGet, "/virtualnode", nil, &answer)
	return answer.VNodes, err
}

// VNode is one virtual node, by its short hash.
func (c *REST) VNode(ctx context.Context, shortHash string) (v VNode, err error) {
	err = c.call(ctx, http.MethodGet, "/virtualnode/"+url.PathEscape(shortHash), nil, &v)
	return v, err
}

// Config is a section of the configuration.
func (c *REST) Config(ctx context.Context, section string) (s Section, err error) {
	err = c.call(ctx, http.MethodGet, "/config/"+url.PathEscape(section), nil, &s)
	return s, err
}

// PutConfig replaces a section's text, over the version that is stored now.
func (c *REST) PutConfig(ctx context.Context, section string, config json.RawMessage, now Section) error {
	body := map[string]any{"section": section, "version": now.Version, "config": config, "schemaVersion": now.SchemaVersion}
	return c.call(ctx, http.MethodPut, "/config", body, nil)
}

// rawText takes an answer that is text and not JSON, as certificates are.
type rawText string

func (c *REST) call(ctx context.Context, method, path string, body, into any) error {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the body of %s %s: %w", method, path, err)
		}
		text = bytes.NewReader(b)
	}
	return c.do(ctx, method, path, "application/json", text, into)
}

func (c *REST) do(ctx context.Context, method, path, contentType string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	carryTrace(req)
	req.SetBasicAuth(c.login, c.password)
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the cluster's REST API: %w", err)
	}
	defer resp.Body.Close()
	const most = 256 << 20
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("read the cluster's answer to %s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		refused := &RefusedError{Attempt: method + " " + path, Status: resp.StatusCode, Title: resp.Status}
		var p struct {
			Title   string            `json:"title"`
			Details map[string]string `json:"details"`
		}
		if json.Unmarshal(text, &p) == nil && p.Title != "" {
			refused.Title, refused.Details = p.Title, p.Details
		}
		return refused
	}
	switch into := into.(type) {
	case nil:
		return nil
	case *rawText:
		*into = rawText(text)
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the cluster's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// carryTrace makes the request part of its context's trace, if there is one.
func carryTrace(req *http.Request) {
	propagation.TraceContext{}.Inject(req.Context(), propagation.HeaderCarrier(req.Header))
}

// multipartFile sends a file as it is read, without holding it in memory.
func (c *REST) multipartFile(
	ctx context.Context, method, path, part, file string, fields map[string]string, progress func(sent int64), into any,
) error {
	body, contentType, err := upload(part, file, fields, progress)
	if err != nil {
		return err
	}
	defer body.Close()
	return c.do(ctx, method, path, contentType, body, into)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
