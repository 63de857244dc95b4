// Package browse reads a sandbox's databases for people who look at them: which there are, their tables, rows, and what the
// uniqueness checker remembers. It reads as a role that may read everything and change nothing, in read-only transactions
// with a time limit, and masks secrets. Workers must not import it.
package browse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// Source is where the databases are.
type Source struct {
	PostgreSQL sandbox.PostgresCredentials // of the superuser, who makes the role that reads
	Databases  map[string]sandbox.Database // logical databases of the cluster by name; "nodes" is where those of virtual nodes lie
}

// nodes is the name under which [Source].Databases has the database of the virtual nodes.
const nodes = "nodes"

// defaultRole is the role that reads. A superuser would not do: a view may call a function of whoever made it.
const defaultRole = "cordage_reader"

// Limits of what one question may take.
const (
	statementLimit = 5 * time.Second // on the server
	questionLimit  = 8 * time.Second // in all
	walkLimit      = 2 * time.Second // for rows that no index leads to
)

// Browser reads the databases of one sandbox. It keeps no connection. Safe for concurrent use.
type Browser struct {
	source func() (Source, error)
	role   string
	walk   time.Duration // how long a page's rows are looked for; then it is told short, and the next one goes on from there

	mu       sync.Mutex
	password string // of the role; empty before it is made
}

// New makes a browser; source is asked each time.
func New(source func() (Source, error)) *Browser {
	return &Browser{source: source, role: defaultRole, walk: walkLimit}
}

// NotFoundError says that there is no such database, table or virtual node.
type NotFoundError struct{ What, Name string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %s", e.What, e.Name) }

// BadRequestError says what is wrong with a question.
type BadRequestError struct{ Why string }

func (e *BadRequestError) Error() string { return e.Why }

// read runs f in a read-only transaction in a database.
func (b *Browser) read(ctx context.Context, database string, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, questionLimit, fmt.Errorf("the database does not answer within %v", questionLimit))
	defer cancel()
	conn, err := b.connect(ctx, database)
	if err != nil {
		return explain(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return explain(ctx, err)
	}
	return explain(ctx, f(ctx, tx)) // the transaction ends with the connection
}

// explain says what the end of a time limit means.
func explain(ctx context.Context, err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "57014" {
		return fmt.Errorf("the query took longer than %v", statementLimit)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// connect opens a session of the role that reads, and makes that role when it cannot log in.
func (b *Browser) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	s, err := b.source()
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		password, err := b.reader(ctx, s, again)
		if err != nil {
			return nil, fmt.Errorf("make the role that reads: %w", err)
		}
		conn, err := open(ctx, s, database, b.role, password)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !again && slices.Contains([]string{"28P01", "28000", "42501"}, pg.Code) {
			continue // another supervisor has changed it, or the server was made anew
		}
		if err != nil {
			return nil, fmt.Errorf("connect to database %s: %w", database, err)
		}
		return conn, nil
	}
}

// open opens a session. None of its parameters come from the environment.
func open(ctx context.Context, s Source, database, user, password string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Fallbacks = s.PostgreSQL.Host, uint16(s.PostgreSQL.Port), nil //nolint:gosec // a port
	config.Database, config.User, config.Password = database, user, password
	limit := fmt.Sprint(statementLimit.Milliseconds())
	config.RuntimeParams = map[string]string{
		"application_name": "cordage-browse", "timezone": "UTC", "datestyle": "ISO", "bytea_output": "hex",
		"statement_timeout": limit, "lock_timeout": limit, "idle_in_transaction_session_timeout": limit,
		"default_transaction_read_only": "on", "search_path": "pg_catalog",
	}
	if user == s.PostgreSQL.User {
		delete(config.RuntimeParams, "default_transaction_read_only")
	}
	return pgx.ConnectConfig(ctx, config)
}

// reader makes the role that reads, if that has not been done or is to be done anew, and gives its password.
func (b *Browser) reader(ctx context.Context, s Source, anew bool) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.password != "" && !anew {
		return b.password, nil
	}
	password := rand.Text() + rand.Text()
	verifier, err := keys.SCRAMVerifierOfRandom(password)
	if err != nil {
		return "", err
	}
	conn, err := open(ctx, s, "postgres", s.PostgreSQL.User, s.PostgreSQL.Password)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", b.role).Scan(&there); err != nil {
		return "", err
	}
	verb, role := "CREATE", store.QuoteIdent(b.role)
	if there {
		verb = "ALTER"
	}
	statements := fmt.Sprintf("%s ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT PASSWORD '%s';\n"+
		"GRANT pg_read_all_data TO %s;\n", verb, role, verifier, role) // the verifier is base64, $ and :
	for _, d := range s.Databases {
		statements += fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s;\n", store.QuoteIdent(d.Database), role)
	}
	if _, err := conn.Exec(ctx, "BEGIN;\n"+statements+"COMMIT;", pgx.QueryExecModeSimpleProtocol); err != nil {
		return "", err
	}
	b.password = password
	return password, nil
}
