package database_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/fixtures/cpi"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

func TestUpload(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	db := c.Superuser(t)
	p := k.stored(t)

	t.Run("rows", func(t *testing.T) {
		var cpis, links, cpks, files, logs, audits, parts, props, networks int
		err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM config.cpi), (SELECT count(*) FROM config.cpi_cpk),
			(SELECT count(*) FROM config.cpk_metadata), (SELECT count(*) FROM config.cpk_file), (SELECT count(*) FROM config.cpk_db_change_log),
			(SELECT count(*) FROM config.cpk_db_change_log_audit), (SELECT count(*) FROM config.file_upload),
			(SELECT count(*) FROM config.file_upload_props), (SELECT count(*) FROM config.static_network_info)`).
			Scan(&cpis, &links, &cpks, &files, &logs, &audits, &parts, &props, &networks)
		if err != nil {
			t.Fatal(err)
		}
		got := [...]int{cpis, links, cpks, files, logs, audits, parts, props, networks}
		if want := [...]int{1, 2, 2, 2, 1, 1, 0, 0, 1}; got != want {
			t.Errorf("rows are %v, want %v", got, want)
		}
	})

	t.Run("published", func(t *testing.T) {
		var found record.CPIMetadata
		for _, m := range k.cpis.All() {
			if m.Hash == p.Checksum {
				found = m
			}
		}
		if found.GroupID != p.GroupID || len(found.CPKs) != 2 {
			t.Fatalf("published is %+v, want group %s and 2 CPKs", found, p.GroupID)
		}
		var policy struct {
			MGM map[string]string `json:"mgmInfo"`
		}
		if err := json.Unmarshal([]byte(found.GroupPolicy), &policy); err != nil {
			t.Fatal(err)
		}
		if policy.MGM["corda.groupId"] != p.GroupID || !strings.HasPrefix(policy.MGM["corda.session.keys.0.pem"], "-----BEGIN PUBLIC KEY") {
			t.Errorf("mgmInfo is %v", policy.MGM)
		}
	})

	t.Run("CPKs on the bus", func(t *testing.T) {
		files := bus.NewCompacted[record.FileChunk](k.bus, record.TopicCPKFile)
		run(t, files.Run)
		rows, err := db.Query(t.Context(), `SELECT file_checksum, data FROM config.cpk_file`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var checksum string
			var data []byte
			if err := rows.Scan(&checksum, &data); err != nil {
				t.Fatal(err)
			}
			cluster.Eventually(t, limit, func() error {
				_, err := assembled(files.All(), checksum, data)
				return err
			})
		}
	})

	t.Run("duplicate", func(t *testing.T) {
		s := k.upload(t, p.Bytes)
		if s.Complete || s.Failure == nil || s.Failure.Type != record.FailureDuplicateCPI {
			t.Errorf("status is %+v, want a duplicate", s)
		}
	})
}

// assembled puts a CPK together from the topic.
func assembled(all map[string]record.FileChunk, checksum string, want []byte) ([]byte, error) {
	var data []byte
	for part := 0; ; part++ {
		c, ok := all[record.Key(record.CPKChunkID{Checksum: checksum, PartNumber: part})]
		switch {
		case !ok:
			return nil, errMissing(part)
		case len(c.Data) > 0:
			data = append(data, c.Data...)
			continue
		case c.Checksum != checksum || !bytes.Equal(data, want):
			return nil, errMissing(part)
		}
		return data, nil
	}
}

type errMissing int

func (e errMissing) Error() string { return "the CPK is not on the topic as it is stored" }

func TestUploadRefused(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	build := func(s cpi.Spec) []byte {
		s.Name, s.GroupID = "refused-"+uuid.NewString(), uuid.NewString()
		p, err := s.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p.Bytes
	}
	if s := k.upload(t, build(cpi.Spec{})); s.Failure == nil || s.Failure.Type != record.FailureInvalidCPI {
		t.Errorf("without any code signer the status is %+v, want a refusal", s)
	}
	p, err := cpi.Spec{}.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.trust(t, "signer", p.Certificates)
	stranger, err := cert.New(cert.Options{Seed: "a stranger"})
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"unsigned":       build(cpi.Spec{Damage: cpi.Unsigned}),
		"truncated":      build(cpi.Spec{Damage: cpi.Truncated}),
		"altered":        build(cpi.Spec{Damage: cpi.Altered}),
		"unknown signer": build(cpi.Spec{Key: stranger}),
		"no zip":         []byte("this is no package"),
		"empty":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := k.upload(t, file)
			if s.Complete || s.Failure == nil || s.Failure.Type != record.FailureInvalidCPI || s.Failure.Message == "" {
				t.Errorf("status is %+v, want a refusal", s)
			}
		})
	}
	db := c.Superuser(t)
	cluster.Eventually(t, limit, func() error {
		var rows int
		err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM config.cpi) + (SELECT count(*) FROM config.file_upload) +
			(SELECT count(*) FROM config.file_upload_props)`).Scan(&rows)
		if err == nil && rows > 0 {
			return errMissing(rows)
		}
		return err
	})
}

// A redelivered part, a part that comes twice and a request that is repeated as a whole are all answered once, rightly.
func TestUploadAgain(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	p, err := cpi.Spec{GroupID: uuid.NewString(), Name: "again"}.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.trust(t, "signer", p.Certificates)
	id := uuid.NewString()
	all := chunks(id, "again.cpi", p.Bytes, 10_000)
	k.publish(t, all[0], all[0], all[1], all[0])
	k.publish(t, all[1:]...)
	if s := k.uploaded(t, id); !s.Complete {
		t.Fatalf("status is %+v, want OK", s)
	}
	k.publish(t, all...) // as after a worker that died before it could commit its position
	other := uuid.NewString()
	k.publish(t, chunks(other, "other.cpi", []byte("no package"), 100)...)
	k.uploaded(t, other)
	// Uploads of one partition are worked on in order; those of others are given the time of a whole upload more.
	if s := k.upload(t, p.Bytes); s.Failure == nil || s.Failure.Type != record.FailureDuplicateCPI {
		t.Errorf("the same file under another id ends as %+v, want a duplicate", s)
	}
	if s := k.uploaded(t, id); !s.Complete {
		t.Errorf("after the repetition the status is %+v, want OK", s)
	}
}

func TestUploadHostile(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	const gigabyte = 1 << 30
	for name, parts := range map[string][]record.FileChunk{
		"too large":         {{PartNumber: 0, Data: []byte("x"), Offset: gigabyte}, {PartNumber: 1, Offset: gigabyte + 1, Checksum: "SHA-256:00"}},
		"negative part":     {{PartNumber: -1, Data: []byte("x")}, {PartNumber: 1, Offset: 1, Checksum: "SHA-256:00"}},
		"gap":               {{PartNumber: 1, Offset: 1, Data: []byte("x")}, {PartNumber: 2, Offset: 2, Checksum: "SHA-256:00"}},
		"wrong checksum":    {{PartNumber: 0, Data: []byte("x")}, {PartNumber: 1, Offset: 1, Checksum: "SHA-256:00"}},
		"broken off":        {{PartNumber: 0, Data: []byte("x")}, {PartNumber: 1, Offset: 1}},
		"long file name":    {{PartNumber: 0, Properties: map[string]string{record.PropertyFileName: strings.Repeat("n", 300)}}},
		"zero in file name": {{PartNumber: 0, Properties: map[string]string{record.PropertyFileName: "a\x00b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			for _, part := range parts {
				part.RequestID = id
				k.publish(t, chunk(part))
			}
			s := k.uploaded(t, id)
			if s.Failure == nil || s.Failure.Type != record.FailureInvalidCPI {
				t.Errorf("status is %+v, want a refusal", s)
			}
			if broke := strings.Contains(s.Message, "broke off after 1 byte"); broke != (name == "broken off") {
				t.Errorf("the reason is %q", s.Message)
			}
		})
	}
	k.publish(t, bus.Message{Topic: record.TopicCPIUpload, Key: "x", Value: record.Clock{}}) // of another type
	k.stored(t)                                                                              // and it works on
}

// R3's released CPKs are refused since their signer's certificate has expired, unless the clock or the setting says
// otherwise.
func TestUploadExpiredSigner(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	build := func(version string) []byte {
		p, err := cpi.Spec{Content: cpi.Notary, GroupID: uuid.NewString(), Name: "notary", Version: version}.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		k.trust(t, "signers", p.Certificates)
		return p.Bytes
	}
	s := k.upload(t, build("1"))
	if s.Failure == nil || s.Failure.Type != record.FailureInvalidCPI {
		t.Fatalf("status is %+v, want a refusal", s)
	}
	contains(t, "the refusal", s.Failure.Message, "2026-06-02", "expiredCodeSigners", "clock")

	answer, err := k.config.Call(t.Context(), record.ConfigurationManagementRequest{Section: "cordage.packaging",
		Config: `{"expiredCodeSigners":"accept"}`, SchemaVersion: record.SchemaVersion{Major: 1}, Version: 0, UpdateActor: "admin"})
	if err != nil || answer.Failure != nil {
		t.Fatalf("change the setting: %v, %v", err, answer.Failure)
	}
	cluster.Eventually(t, limit, func() error { // the worker hears of it over the bus
		if s = k.upload(t, build(uuid.NewString())); !s.Complete {
			return s.Failure
		}
		return nil
	})
	if len(s.Warnings) == 0 {
		t.Error("an expired signer is accepted without a warning")
	}

	answer, err = k.config.Call(t.Context(), record.ConfigurationManagementRequest{Section: "cordage.packaging",
		Config: `{}`, SchemaVersion: record.SchemaVersion{Major: 1}, Version: 1, UpdateActor: "admin"})
	if err != nil || answer.Failure != nil {
		t.Fatalf("change the setting back: %v, %v", err, answer.Failure)
	}
	k.setClock(t, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	cluster.Eventually(t, limit, func() error {
		if s = k.upload(t, build(uuid.NewString())); !s.Complete {
			return s.Failure
		}
		return nil
	})
}
