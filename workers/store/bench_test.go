package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/fixtures/servers"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// BenchmarkNode compares the databases of a virtual node with the bare statements that they cannot do without, sent by
// hand in one transaction, with passwords that PostgreSQL itself turns into verifiers.
func BenchmarkNode(b *testing.B) {
	server := servers.Database(b)
	admin := Connection{
		JDBCURL: JDBC{Host: server.Host, Port: server.Port, Database: server.Database}.String(), User: server.User, Password: server.Password, PoolSize: 4,
	}
	pool, err := Open(b.Context(), admin, "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	s, err := keys.NewSecrets("passphrase", "salt")
	if err != nil {
		b.Fatal(err)
	}
	for name, do := range map[string]func(ctx context.Context, h ident.ShortHash) error{
		"bare statements": func(ctx context.Context, h ident.ShortHash) error {
			return pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return bareNode(ctx, c.Conn(), h) })
		},
		"ProvisionNode": func(ctx context.Context, h ident.ShortHash) error {
			_, err := ProvisionNode(ctx, pool, admin, s, h, NodeKinds()...)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := do(b.Context(), randomHash()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", four at once", func(b *testing.B) {
			b.SetParallelism(2) // for each of two cores
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(b.Context(), randomHash()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func randomHash() ident.ShortHash {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return ident.ShortHash(strings.ToUpper(hex.EncodeToString(b[:])))
}

func bareNode(ctx context.Context, conn *pgx.Conn, h ident.ShortHash) error {
	var sql strings.Builder
	sql.WriteString("BEGIN;\n")
	for _, k := range NodeKinds() {
		fmt.Fprintf(&sql, `CREATE ROLE %[2]s LOGIN PASSWORD 'password';
CREATE ROLE %[3]s LOGIN PASSWORD 'password';
GRANT %[2]s TO CURRENT_USER;
GRANT %[3]s TO CURRENT_USER;
CREATE SCHEMA %[1]s;
GRANT ALL ON SCHEMA %[1]s TO %[2]s;
GRANT USAGE ON SCHEMA %[1]s TO %[3]s;
ALTER DEFAULT PRIVILEGES FOR ROLE %[2]s IN SCHEMA %[1]s GRANT SELECT, UPDATE, INSERT, DELETE ON TABLES TO %[3]s;
SET LOCAL ROLE %[2]s;
SET LOCAL search_path = %[1]s;
`, k.SchemaName(h), k.RoleName(h, DDL), k.RoleName(h, DML))
		files, err := k.Family().migrations()
		if err != nil {
			return err
		}
		for _, f := range files {
			sql.WriteString(f.sql)
		}
		sql.WriteString("RESET ROLE;\n")
	}
	_, err := exec(ctx, conn, sql.String()+"COMMIT;")
	return err
}
