// Package browse reads a sandbox's databases for people who look at them: which there are, their tables, rows, and what the
// uniqueness checker remembers. It reads as a role that may read everything and change nothing, in read-only transactions
// with a time limit, and masks secrets. Workers must not import it.
package browse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/reader"
)

// Source is where the databases are.
type Source struct {
	PostgreSQL sandbox.PostgresCredentials // of the superuser, who makes the role that reads
	Databases  map[string]sandbox.Database // logical databases of the cluster by name; "nodes" is where those of virtual nodes lie
}

// nodes is the name under which [Source].Databases has the database of the virtual nodes.
const nodes = "nodes"

// Limits of what one question may take.
const (
	statementLimit = 5 * time.Second // on the server
	questionLimit  = 8 * time.Second // in all
	walkLimit      = 2 * time.Second // for rows that no index leads to
)

// Browser reads the databases of one sandbox. It keeps no connection. Safe for concurrent use.
type Browser struct {
	source func() (Source, error)
	reader *reader.Reader
	walk   time.Duration // how long a page's rows are looked for; then it is told short, and the next one goes on from there
}

// New makes a browser; source is asked each time.
func New(source func() (Source, error)) *Browser {
	return &Browser{source: source, reader: reader.New(reader.Role), walk: walkLimit}
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

// connect opens a session of the role that reads.
func (b *Browser) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	s, err := b.source()
	if err != nil {
		return nil, err
	}
	server := reader.Server{PostgreSQL: s.PostgreSQL}
	for _, d := range s.Databases {
		server.Databases = append(server.Databases, d.Database)
	}
	limit := fmt.Sprint(statementLimit.Milliseconds())
	return b.reader.Connect(ctx, server, database, map[string]string{
		"application_name": "cordage-browse", "timezone": "UTC", "datestyle": "ISO", "bytea_output": "hex",
		"statement_timeout": limit, "lock_timeout": limit, "idle_in_transaction_session_timeout": limit,
		"search_path": "pg_catalog",
	})
}
