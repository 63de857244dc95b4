package database_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cordage-sandbox/cordage/fixtures/cert"
	"github.com/cordage-sandbox/cordage/fixtures/cluster"
	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
)

var version1 = record.SchemaVersion{Major: 1} //nolint:gochecknoglobals // a constant

func TestConfiguration(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	db := c.Superuser(t)
	sections := bus.NewCompacted[record.Configuration](k.bus, record.TopicConfig)
	run(t, sections.Run)
	put := func(section, text string, version int) record.ConfigurationManagementResponse {
		t.Helper()
		answer, err := k.config.Call(t.Context(), record.ConfigurationManagementRequest{
			Section: section, Config: text, SchemaVersion: version1, Version: version, UpdateActor: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	published := func(section string, version int) (got record.Configuration) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		err := sections.AwaitKey(ctx, section, func(s record.Configuration, ok bool) bool { got = s; return ok && s.Version == version })
		if err != nil {
			t.Fatalf("section %s, version %d is not published: %v", section, version, err)
		}
		return got
	}

	if s := published("corda.reconciliation", 0); s.Source != "" || !strings.Contains(string(s.Value), "30000") {
		t.Errorf("an untouched section is published as %+v, want defaults and no source", s)
	}
	const text = `{"vnodeInfoIntervalMs":6000}`
	if a := put("corda.reconciliation", text, 0); a.Failure != nil || a.Version != 1 {
		t.Fatalf("answer is %+v, want version 1", a)
	}
	s := published("corda.reconciliation", 1)
	var value map[string]any
	if err := json.Unmarshal(s.Value, &value); err != nil {
		t.Fatal(err)
	}
	if s.Source != text || value["vnodeInfoIntervalMs"] != 6000.0 || value["configIntervalMs"] != 30000.0 {
		t.Errorf("published is %s with source %s", s.Value, s.Source)
	}
	a := put("corda.reconciliation", text, 0)
	if a.Failure == nil || a.Failure.Type != record.FailureWrongConfigVersion {
		t.Fatalf("an old version is answered with %+v, want it refused", a)
	}
	contains(t, "the refusal", a.Failure.Message, "version 1")
	for _, bad := range []string{`{"vnodeInfoIntervalMs":1}`, `{`, `[]`} {
		if a := put("corda.reconciliation", bad, 1); a.Failure == nil || a.Failure.Type != record.FailureInvalidConfig {
			t.Errorf("%q is answered with %+v, want it refused", bad, a)
		}
	}
	if a := put("corda.unknown", `{}`, -1); a.Failure == nil || a.Failure.Type != record.FailureInvalidConfig {
		t.Errorf("an unknown section is answered with %+v, want it refused", a)
	}
	const undecryptable = `{"hsm":{"defaultWrappingKey":"a","wrappingKeys":[{"alias":"a","salt":"s","passphrase":{"configSecret":{"encryptedSecret":"AAAA"}}}]}}`
	if a := put("corda.crypto", undecryptable, 0); a.Failure == nil || a.Failure.Type != record.FailureInvalidConfig {
		t.Errorf("a secret that cannot be decrypted is answered with %+v, want it refused", a)
	}
	var audits int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM config.config_audit WHERE section = 'corda.reconciliation' AND config_version = 1`).Scan(&audits); err != nil || audits != 1 {
		t.Errorf("%d audit rows, %v; want 1", audits, err)
	}

	t.Run("one of many writers wins", func(t *testing.T) {
		const writers = 8
		var wait sync.WaitGroup
		answers := make([]record.ConfigurationManagementResponse, writers)
		for i := range writers {
			wait.Go(func() {
				answers[i], _ = k.config.Call(t.Context(), record.ConfigurationManagementRequest{Section: "corda.sandbox",
					Config: fmt.Sprintf(`{"flow":{"cache":{"size":%d}}}`, i), SchemaVersion: version1, Version: 0, UpdateActor: "admin"})
			})
		}
		wait.Wait()
		won := 0
		for _, a := range answers {
			switch {
			case a.Failure == nil && a.Version == 1:
				won++
			case a.Failure == nil || a.Failure.Type != record.FailureWrongConfigVersion:
				t.Errorf("answer is %+v", a)
			}
		}
		if won != 1 {
			t.Errorf("%d writers won, want 1", won)
		}
	})
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	ask := func(q record.CertificateRequest) record.CertificateResponse {
		t.Helper()
		answer, err := k.certificates.Call(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	store := func(usage, alias, pem string) record.CertificateResponse {
		return ask(record.CertificateRequest{Usage: usage, Import: &record.CertificateImport{Alias: alias, PEM: pem}})
	}
	first, err := cert.New(cert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := cert.New(cert.Options{Seed: "second"})
	if err != nil {
		t.Fatal(err)
	}
	pem := string(cert.PEM(first.Chain...))
	for _, text := range []string{pem, pem, string(cert.PEM(append(first.Chain, second.Chain...)...))} {
		if a := store(" Code-Signer ", "b", text); a.Failure != nil {
			t.Fatalf("import: %v", a.Failure)
		}
		if a := ask(record.CertificateRequest{Usage: "code-signer", Get: "b"}); a.PEM == nil || *a.PEM != text {
			t.Errorf("stored is %v, want what was imported", a.PEM)
		}
	}
	if a := store("code-signer", "a", string(cert.DigiCertTrustedRootG4PEM())); a.Failure != nil {
		t.Fatalf("import: %v", a.Failure)
	}
	if a := ask(record.CertificateRequest{Usage: "code-signer", List: true}); strings.Join(a.Aliases, " ") != "a b" {
		t.Errorf("aliases are %v, want a and b", a.Aliases)
	}
	if a := ask(record.CertificateRequest{Usage: "p2p-tls", List: true}); len(a.Aliases) > 0 || a.Failure != nil {
		t.Errorf("aliases of another usage are %+v, want none", a)
	}
	if a := ask(record.CertificateRequest{Usage: "p2p-tls", Get: "a"}); a.PEM != nil || a.Failure != nil {
		t.Errorf("under another usage there is %+v, want none", a)
	}
	key, err := cert.KeyPEM(first)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]record.CertificateResponse{
		"unknown usage":     ask(record.CertificateRequest{Usage: "other", List: true}),
		"nothing asked":     ask(record.CertificateRequest{Usage: "code-signer"}),
		"no certificate":    store("code-signer", "c", "nothing"),
		"a private key":     store("code-signer", "c", string(key)),
		"broken":            store("code-signer", "c", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"blank alias":       store("code-signer", " ", pem),
		"long alias":        store("code-signer", strings.Repeat("a", 256), pem),
		"zero in the alias": store("code-signer", "a\x00", pem),
		"alias taken":       store("p2p-tls", "a", pem),
	} {
		if a.Failure == nil || a.Failure.Message == "" {
			t.Errorf("%s: answer is %+v, want it refused", name, a)
		} else if strings.Contains(a.Failure.Message, string(key[40:80])) {
			t.Errorf("%s: the refusal quotes a key", name)
		} else if ofAlias := a.Failure.Type == record.FailureInvalidAlias; ofAlias != strings.Contains(name, "alias") {
			t.Errorf("%s: the refusal is of type %s", name, a.Failure.Type)
		}
	}
}

// Users and what they may do are published, changed and removed as the database has them.
func TestPermissions(t *testing.T) {
	t.Parallel()
	c := cluster.New(t)
	c.Start(t, role.Database)
	k := newClient(t, c)
	db := c.Superuser(t)
	users := bus.NewCompacted[record.User](k.bus, record.TopicUser)
	summaries := bus.NewCompacted[record.UserPermissionSummary](k.bus, record.TopicUserPermissionSummary)
	run(t, users.Run, summaries.Run)
	await := func(what string, login string, cond func(u record.User, s record.UserPermissionSummary, there bool) bool) {
		t.Helper()
		cluster.Eventually(t, limit, func() error {
			u, isUser := users.Get(login)
			s, isSummary := summaries.Get(login)
			if !cond(u, s, isUser && isSummary) || isUser != isSummary {
				return fmt.Errorf("%s: user %+v, summary %+v", what, u.LoginName, s)
			}
			return nil
		})
	}
	await("the first user", "admin", func(u record.User, s record.UserPermissionSummary, there bool) bool {
		return there && u.Enabled && u.HashedPassword != "" && u.SaltValue != "" && s.Enabled && len(s.Permissions) == 1 &&
			s.Permissions[0].Type == record.Allow && s.Permissions[0].String == ".*"
	})
	if answer, err := k.config.Call(t.Context(), record.ConfigurationManagementRequest{Section: "corda.reconciliation",
		Config: `{"permissionSummaryIntervalMs":5000}`, SchemaVersion: version1, Version: 0, UpdateActor: "admin"}); err != nil || answer.Failure != nil {
		t.Fatalf("%v, %v", err, answer.Failure)
	}
	_, err := db.Exec(t.Context(), `
		INSERT INTO rbac.rbac_group (id, update_ts, version, name, parent_group) VALUES ('g1', now(), 0, 'outer', NULL), ('g2', now(), 0, 'inner', 'g1');
		UPDATE rbac.rbac_group SET parent_group = 'g2' WHERE id = 'g1'; -- a ring
		INSERT INTO rbac.rbac_user (id, update_ts, version, full_name, login_name, enabled, parent_group) VALUES ('u1', now(), 0, 'Ann', 'Ann', true, 'g2');
		INSERT INTO rbac.rbac_role (id, update_ts, version, name) VALUES ('r1', now(), 0, 'one'), ('r2', now(), 0, 'two');
		INSERT INTO rbac.rbac_perm (id, update_ts, version, perm_type, perm_string) VALUES ('p1', now(), 0, 'ALLOW', 'GET:.*'), ('p2', now(), 0, 'DENY', 'GET:x');
		INSERT INTO rbac.rbac_role_perm_rel (id, update_ts, role_id, perm_id) VALUES ('a', now(), 'r1', 'p1'), ('b', now(), 'r2', 'p2'), ('c', now(), 'r2', 'p1');
		INSERT INTO rbac.rbac_role_user_rel (id, update_ts, user_id, role_id) VALUES ('d', now(), 'u1', 'r1');
		INSERT INTO rbac.rbac_role_group_rel (id, update_ts, group_id, role_id) VALUES ('e', now(), 'g1', 'r2')`)
	if err != nil {
		t.Fatal(err)
	}
	await("a new user", "ann", func(u record.User, s record.UserPermissionSummary, there bool) bool {
		return there && u.LoginName == "Ann" && len(s.Permissions) == 2 && s.Permissions[0].Type == record.Deny && s.Permissions[1].String == "GET:.*"
	})
	if _, err := db.Exec(t.Context(), `DELETE FROM rbac.rbac_user WHERE id = 'u1'`); err != nil {
		t.Fatal(err)
	}
	await("a removed user", "ann", func(_ record.User, _ record.UserPermissionSummary, there bool) bool { return !there })
	await("the first user", "admin", func(_ record.User, _ record.UserPermissionSummary, there bool) bool { return there })
}
