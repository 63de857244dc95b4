// Package reader opens sessions of the role as which people and scenarios read a sandbox's databases: it may read everything
// and change nothing, and can neither read files of the machine nor run programs. Workers must not import it.
package reader

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// Role is the name of the role in every sandbox.
const Role = "cordage_reader"

// Reader opens sessions. It makes the role when it is first needed, and anew when it cannot log in. Safe for concurrent use.
type Reader struct {
	role string
	mu   sync.Mutex
	made bool // the role has been there once
}

// New makes a reader that uses the named role.
func New(role string) *Reader { return &Reader{role: role} }

// Server is where the role reads.
type Server struct {
	PostgreSQL sandbox.PostgresCredentials // of the superuser, who makes the role
	Databases  []string                    // to which the role may connect
}

// Connect opens a session in a database, with parameters of the session such as search_path. Its transactions read only,
// and the role could change nothing if they did not.
func (r *Reader) Connect(ctx context.Context, s Server, database string, params map[string]string) (*pgx.Conn, error) {
	readOnly := map[string]string{"default_transaction_read_only": "on"}
	maps.Copy(readOnly, params)
	for again := false; ; again = true {
		if err := r.make(ctx, s, again); err != nil {
			return nil, fmt.Errorf("make the role that reads: %w", err)
		}
		conn, err := open(ctx, s.PostgreSQL, database, r.role, password(s.PostgreSQL, r.role), readOnly)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !again && slices.Contains([]string{"28P01", "28000", "42501"}, pg.Code) {
			continue // somebody has changed it, or the server was made anew
		}
		if err != nil {
			return nil, fmt.Errorf("connect to database %s: %w", database, err)
		}
		return conn, nil
	}
}

// password is made from the superuser's, so that the supervisor and scenarios have the same one although nobody keeps it.
func password(pg sandbox.PostgresCredentials, role string) string {
	mac := hmac.New(sha256.New, []byte(pg.Password))
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil))
}

// open opens a session. None of its parameters come from the environment.
func open(ctx context.Context, pg sandbox.PostgresCredentials, database, user, password string, params map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Fallbacks = pg.Host, uint16(pg.Port), nil //nolint:gosec // a port
	config.Database, config.User, config.Password = database, user, password
	config.RuntimeParams = params
	return pgx.ConnectConfig(ctx, config)
}

// make makes the role if it is not there; anew gives one that is there its password and rights again.
func (r *Reader) make(ctx context.Context, s Server, anew bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made && !anew {
		return nil
	}
	conn, err := open(ctx, s.PostgreSQL, "postgres", s.PostgreSQL.User, s.PostgreSQL.Password, map[string]string{"search_path": "pg_catalog"})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		const key = 0x636f7264616765 // "cordage": others of this machine may be making the role, too
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", key); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", r.role).Scan(&there); err != nil {
			return err
		}
		if there && !anew {
			return nil
		}
		verb, role := "CREATE", store.QuoteIdent(r.role)
		if there {
			verb = "ALTER"
		}
		verifier, err := keys.SCRAMVerifierOfRandom(password(s.PostgreSQL, r.role))
		if err != nil {
			return err
		}
		statements := fmt.Sprintf("%s ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT PASSWORD '%s';\n"+
			"GRANT pg_read_all_data TO %s;\n", verb, role, verifier, role) // the verifier is base64, $ and :
		for _, d := range s.Databases {
			statements += fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s;\n", store.QuoteIdent(d), role)
		}
		_, err = tx.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	r.made = r.made || err == nil
	return err
}
