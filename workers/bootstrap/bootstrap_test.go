package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/settings"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestDatabases(t *testing.T) {
	t.Parallel()
	for name, separate := range map[string]bool{"one database": false, "separate databases": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConfig(t, separate)
			var steps []string
			r, err := Databases(t.Context(), c, func(step string) { steps = append(steps, step) })
			if err != nil {
				t.Fatal(err)
			}
			if len(steps) != 8 || steps[0] != "databases" {
				t.Errorf("steps told are %v", steps)
			}
			checkLogins(t, r)
			if separate == (c.layout().config == c.layout().rbac) {
				t.Errorf("the layout is %+v", c.layout())
			}
			t.Run("rows", func(t *testing.T) { checkRows(t, c) })
			t.Run("rights", func(t *testing.T) { checkGrants(t, c) })
			if separate {
				t.Run("closed to others", func(t *testing.T) { checkClosed(t, c, r) })
			} else {
				t.Run("users can do no more", func(t *testing.T) { checkUsers(t, r) })
			}
		})
	}
}

func checkLogins(t *testing.T, r Result) {
	t.Helper()
	for what, connection := range map[string]store.Connection{
		"config": r.Config, "config, read only": r.ConfigReader, "rbac": r.RBAC, "crypto": r.Crypto, "virtual nodes": r.VirtualNodes,
	} {
		conn := connect(t, connection)
		if got := query(t, conn, "SELECT current_user::text"); got[0] != connection.User {
			t.Errorf("%s: connected as %v, want %s", what, got, connection.User)
		}
	}
}

func checkRows(t *testing.T, c Config) {
	t.Helper()
	made := snapshot(t, c)
	sections := []string{
		"corda.crypto version 0 of init: t", "corda.externalMessaging version 0 of admin: f", "corda.flow version 0 of admin: f",
		"corda.membership version 0 of admin: f", "corda.messaging version 0 of admin: f", "corda.p2p.gateway version 0 of admin: f",
		"corda.p2p.linkManager version 0 of admin: f", "corda.reconciliation version 0 of admin: f", "corda.rest version 0 of admin: f",
		"corda.sandbox version 0 of admin: f", "cordage.packaging version 0 of admin: f",
	}
	slices.Sort(made["sections"])
	if diff := cmp.Diff(sections, made["sections"]); diff != "" {
		t.Errorf("sections (- want, + got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"admin Default Admin t Default System Admin"}, made["users"]); diff != "" {
		t.Errorf("users (- want, + got):\n%s", diff)
	}
	counts := map[string]int{}
	for _, p := range made["permissions"] {
		of, _, _ := strings.Cut(p, ":")
		counts[of]++
	}
	if diff := cmp.Diff(map[string]int{adminRole: 1, "UserAdminRole": 14, "VNodeCreatorRole": 8, "CordaDeveloperRole": 2}, counts); diff != "" {
		t.Errorf("permissions of roles (- want, + got):\n%s", diff)
	}
	checkPassword(t, c)
	checkMasterKey(t, c)
}

func checkPassword(t *testing.T, c Config) {
	t.Helper()
	var salt, hash string
	if err := super(t, c, c.layout().rbac).QueryRow(t.Context(), "SELECT salt_value, hashed_password FROM rbac.rbac_user").Scan(&salt, &hash); err != nil {
		t.Fatal(err)
	}
	if !keys.CheckPassword(hash, salt, c.AdminPassword) {
		t.Error("the first user's password does not fit its hash")
	}
}

// checkMasterKey reads the section corda.crypto as a crypto worker does.
func checkMasterKey(t *testing.T, c Config) {
	t.Helper()
	text := query(t, super(t, c, c.layout().config), "SELECT config FROM config.config WHERE section = 'corda.crypto'")[0]
	if err := settings.Validate(settings.SectionCrypto, text); err != nil {
		t.Errorf("the section is not valid: %v", err)
	}
	var section struct {
		HSM struct {
			Default string `json:"defaultWrappingKey"`
			Keys    []struct {
				Alias            string
				Passphrase, Salt json.RawMessage
			} `json:"wrappingKeys"`
		} `json:"hsm"`
	}
	if err := json.Unmarshal([]byte(text), &section); err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.NewSecrets(c.Secrets.Passphrase, c.Secrets.Salt)
	if err != nil {
		t.Fatal(err)
	}
	k := section.HSM.Keys[0]
	passphrase, passphraseErr := secrets.Reveal(k.Passphrase)
	salt, saltErr := secrets.Reveal(k.Salt)
	if passphraseErr != nil || saltErr != nil || passphrase != c.MasterPassphrase || salt != c.MasterSalt || k.Alias != "root1" || section.HSM.Default != "root1" {
		t.Errorf("the master key comes from %q, %q (%v, %v), alias %s, default %s", passphrase, salt, passphraseErr, saltErr, k.Alias, section.HSM.Default)
	}
	if strings.Contains(text, c.MasterPassphrase) || strings.Contains(text, c.MasterSalt) {
		t.Errorf("the section shows a secret: %s", text)
	}
}

// Runs that end after the first step, after the second, and so on, end in the same state as one that was never
// interrupted.
func TestInterruptedAfterEachStep(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for name, separate := range map[string]bool{"one database": false, "separate databases": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, whole := newConfig(t, separate), newConfig(t, separate)
			whole.Passwords = c.Passwords
			for _, s := range newRun(c).steps() {
				r := newRun(c)
				r.after = func(step string) error {
					if step == s.name {
						return crash
					}
					return nil
				}
				err := r.all(t.Context(), func(string) {})
				r.close()
				if !errors.Is(err, crash) {
					t.Fatalf("after %s: error = %v, want the crash", s.name, err)
				}
			}
			bootstrap(t, c)
			bootstrap(t, whole)
			if diff := cmp.Diff(snapshot(t, whole), renamed(snapshot(t, c), c.Prefix, whole.Prefix)); diff != "" {
				t.Errorf("the state differs (- never interrupted, + interrupted):\n%s", diff)
			}
		})
	}
}

// Sessions that are lost at any moment, in the middle of a statement too, leave nothing that stops the next run.
func TestLostSessions(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	failures := 0
	for limit := 5 * time.Millisecond; ; limit += limit/2 + time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := Databases(ctx, c, func(string) {})
		cancel()
		if err == nil {
			break
		}
		failures++
	}
	if failures == 0 {
		t.Error("no run was interrupted, so that nothing was tested")
	}
	whole := newConfig(t, false)
	whole.Passwords = c.Passwords
	bootstrap(t, whole)
	if diff := cmp.Diff(snapshot(t, whole), renamed(snapshot(t, c), c.Prefix, whole.Prefix)); diff != "" {
		t.Errorf("the state differs (- never interrupted, + interrupted %d times):\n%s", failures, diff)
	}
}

func TestSeveralAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	var g errgroup.Group
	for range 3 {
		g.Go(func() error { _, err := Databases(t.Context(), c, func(string) {}); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	first := snapshot(t, c)
	bootstrap(t, c)
	if diff := cmp.Diff(first, snapshot(t, c)); diff != "" {
		t.Errorf("a second run changes things:\n%s", diff)
	}
}

// What people changed since the first run stays; what has to agree with the configuration follows it.
func TestAgainAfterChanges(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	before := bootstrap(t, c)
	secrets, err := keys.NewSecrets(c.Secrets.Passphrase, c.Secrets.Salt)
	if err != nil {
		t.Fatal(err)
	}
	conn := super(t, c, c.layout().nodes)
	exec(t, conn, "UPDATE rbac.rbac_user SET hashed_password = 'changed'")
	exec(t, conn, "DELETE FROM rbac.rbac_role WHERE name = 'CordaDeveloperRole'")
	exec(t, conn, "UPDATE config.config SET config = '{\"changed\":1}', version = 7 WHERE section = 'corda.crypto'")
	elsewhere := store.Connection{JDBCURL: "jdbc:postgresql://elsewhere:1/x", User: "u", Password: "p"}
	node := before.VirtualNodes
	node.JDBCURL += "?currentSchema=vnode_vault_000000000000"
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL search_path = config"); err != nil {
			return err
		}
		_, err := store.PutConnections(t.Context(), tx, secrets, []store.ConnectionRow{
			{Name: "vnode_vault_000000000000", Privilege: store.DML, Connection: node},
			{Name: "brought_along", Privilege: store.DML, Connection: elsewhere},
		}, "test", time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	c.Passwords.RBACUser = "another"
	c.Host = "localhost" // the same server by another address
	after := bootstrap(t, c)
	connect(t, after.RBAC)
	if _, err := store.Connect(t.Context(), before.RBAC, "test"); err == nil {
		t.Error("the former password of rbac_user still holds")
	}
	got := snapshot(t, c)
	if slices.ContainsFunc(got["permissions"], func(p string) bool { return strings.HasPrefix(p, "CordaDeveloperRole") }) {
		t.Error("a role that was removed is back")
	}
	if hash := query(t, conn, "SELECT hashed_password FROM rbac.rbac_user"); hash[0] != "changed" {
		t.Errorf("the first user's password is set back: %v", hash)
	}
	if section := query(t, conn, "SELECT config || version FROM config.config WHERE section = 'corda.crypto'"); section[0] != `{"changed":1}7` {
		t.Errorf("section corda.crypto is set back: %v", section)
	}
	p := c.Passwords
	at := fmt.Sprintf("jdbc:postgresql://localhost:%d/%s", c.Port, c.layout().nodes)
	want := []string{
		"brought_along DML version 0: jdbc:postgresql://elsewhere:1/x as u with p, pool 5",
		fmt.Sprintf("corda-crypto DML version 1: %s?currentSchema=CRYPTO as %scrypto_user with %s, pool 5", at, c.Prefix, p.CryptoUser),
		fmt.Sprintf("corda-rbac DML version 1: %s?currentSchema=RBAC as %srbac_user with another, pool 5", at, c.Prefix),
		fmt.Sprintf("corda-virtual-nodes DDL version 1: %s as %svnode_admin with %s, pool 5", at, c.Prefix, p.VNodeAdmin),
		fmt.Sprintf("vnode_vault_000000000000 DML version 1: %s?currentSchema=vnode_vault_000000000000 as %svnode_admin with %s, pool 5", at, c.Prefix, p.VNodeAdmin),
	}
	if diff := cmp.Diff(want, got["connections"]); diff != "" {
		t.Errorf("connections (- want, + got):\n%s", diff)
	}
}

func TestOtherSecrets(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	bootstrap(t, c)
	c.Secrets.Passphrase = "another"
	_, err := Databases(t.Context(), c, func(string) {})
	var other *SecretsError
	if !errors.As(err, &other) || other.Hint() == "" {
		t.Errorf("error = %v, want a SecretsError", err)
	}
}

func TestConfigurationFaults(t *testing.T) {
	t.Parallel()
	_, err := Databases(t.Context(), Config{}, func(string) {})
	for _, want := range []string{"host", "port", "secrets passphrase", "master salt", "login", "config_reader", "time"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not tell about the %s", err, want)
		}
	}
	c := newConfig(t, false)
	c.Admin.Password = "wrong"
	if _, err := Databases(t.Context(), c, func(string) {}); err == nil || !strings.Contains(err.Error(), "databases: connect to") {
		t.Errorf("a wrong password: error = %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %v", c.Passwords, c.Passwords, c.Passwords, c.Admin); strings.Contains(shown, c.Passwords.RBACUser) {
		t.Errorf("passwords are shown: %s", shown)
	}
}

// Even where the server logs every statement and its parameters, it never sees a secret.
func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	conn := admin(t, c)
	defer conn.Close(t.Context())
	logged := c.Prefix + "logged"
	exec(t, conn, "CREATE ROLE "+logged+" SUPERUSER LOGIN PASSWORD 'x'")
	exec(t, conn, "ALTER ROLE "+logged+" SET log_statement = 'all'")
	c.Admin.User, c.Admin.Password = logged, "x"
	r := bootstrap(t, c)
	bootstrap(t, c)
	secrets, err := keys.NewSecrets(c.Secrets.Passphrase, c.Secrets.Salt)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := store.Open(t.Context(), r.VirtualNodes, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	made, err := store.ProvisionNode(t.Context(), pool, r.VirtualNodes, secrets, ident.ShortHash("0123456789AB"), store.Vault)
	if err != nil {
		t.Fatal(err)
	}
	directory := query(t, conn, "SELECT current_setting('data_directory')")[0]
	text, err := os.ReadFile(filepath.Join(filepath.Dir(directory), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	log := string(text)
	for _, must := range []string{c.Prefix + "rbac_user", "SCRAM-SHA-256", "encryptedSecret", "Default Admin"} {
		if !strings.Contains(log, must) {
			t.Fatalf("the log does not have %q, so that nothing was tested", must)
		}
	}
	for what, secret := range map[string]string{
		"rbac_user": c.Passwords.RBACUser, "config_user": c.Passwords.ConfigUser, "vnode_admin": c.Passwords.VNodeAdmin, "a node": made[0].DDL.Password,
		"the first user": c.AdminPassword, "the master key": c.MasterPassphrase, "its salt": c.MasterSalt,
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds the secret of %s", what)
		}
	}
	if err := store.DropNode(t.Context(), pool, ident.ShortHash("0123456789AB"), store.Vault); err != nil {
		t.Fatal(err)
	}
}
