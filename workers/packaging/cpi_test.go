package packaging_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/packaging"
)

// today is between the start and the end of the fixtures' certificates.
var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func build(t *testing.T, s cpi.Spec) *cpi.Package {
	t.Helper()
	p, err := s.Build(t.Context())
	if err != nil {
		t.Fatalf("build %+v: %v", s, err)
	}
	return p
}

func read(t *testing.T, file []byte, opts packaging.VerifyOptions) (*packaging.CPI, error) {
	t.Helper()
	if opts.At.IsZero() {
		opts.At = today
	}
	opts.Name = "app.cpi"
	opts.TempDir = t.TempDir()
	c, err := packaging.ReadCPI(t.Context(), bytes.NewReader(file), int64(len(file)), opts)
	if c != nil {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	return c, err
}

func TestReadSampleCPI(t *testing.T) {
	t.Parallel()
	p := build(t, cpi.Spec{Name: "app", Version: "1.2", Members: []string{"O=Alice, L=Leeds, C=GB"}})
	c, err := read(t, p.Bytes, packaging.VerifyOptions{Trust: p.Trust})
	if err != nil {
		t.Fatal(explain(err))
	}
	if c.ID.Name != "app" || c.ID.Version != "1.2" || c.FileChecksum != p.Checksum || c.GroupID != p.GroupID || len(c.CPKs) != 2 || len(c.Warnings) != 0 {
		t.Errorf("read id %+v, checksum %s, group %s, %d CPKs, warnings %q", c.ID, c.FileChecksum, c.GroupID, len(c.CPKs), c.Warnings)
	}
	contracts, workflows := c.CPKs[0], c.CPKs[1]
	if contracts.Manifest.Type != packaging.TypeContract || workflows.Manifest.Type != packaging.TypeWorkflow {
		t.Errorf("types are %s and %s", contracts.Manifest.Type, workflows.Manifest.Type)
	}
	if len(contracts.ChangeLogs) != 1 || contracts.ChangeLogs[0].Path != "migration/sample-master.xml" {
		t.Errorf("change logs: %+v", contracts.ChangeLogs)
	}
	if workflows.ExternalChannels == nil || contracts.ExternalChannels != nil {
		t.Errorf("external channels: %s and %s", contracts.ExternalChannels, workflows.ExternalChannels)
	}
	for _, k := range c.CPKs {
		all, err := io.ReadAll(k.Open())
		if err != nil || packaging.Sum(all) != k.FileChecksum || int64(len(all)) != k.Size {
			t.Errorf("%s: %d bytes with sum %s, %v; want %d with %s", k.FileName, len(all), packaging.Sum(all), err, k.Size, k.FileChecksum)
		}
	}
}

// explain is an error with its way out, as a refusal tells it.
func explain(err error) string {
	text := err.Error()
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		text += "; " + h.Hint()
	}
	return text
}
