package bootstrap

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/workers/store"
)

// TestServersOwnDatabasesAreClosed: what a user leaves in a database where the superuser comes by could run as the superuser.
func TestServersOwnDatabasesAreClosed(t *testing.T) {
	t.Parallel()
	c := newConfig(t, false)
	r := bootstrap(t, c)
	admin, err := store.ParseJDBC(c.Admin.JDBCURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []store.Connection{r.Config, r.ConfigReader, r.RBAC, r.Crypto, r.VirtualNodes} {
		for _, database := range []string{admin.Database, "template1"} {
			config, err := pgx.ParseConfig("sslmode=disable")
			if err != nil {
				t.Fatal(err)
			}
			config.Host, config.Port, config.Fallbacks = admin.Host, uint16(admin.Port), nil
			config.Database, config.User, config.Password = database, user.User, user.Password
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
				t.Errorf("%s connects to %s: %v", user.User, database, err)
			}
			if err == nil {
				conn.Close(t.Context())
			}
		}
	}
}
