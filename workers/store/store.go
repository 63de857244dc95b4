// Package store is how workers reach PostgreSQL: connections as the config database describes them, pools, transactions,
// the versioned migrations of every schema family, and the databases of virtual nodes. It knows schemas, not what the
// rows mean: queries of a worker's own tables are the worker's. SQL is written out; identifiers go through [QuoteIdent],
// values through parameters, passwords never into a statement.
//
// All time stamps in the databases are UTC, without time zone: give pgx times in UTC.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx runs fn in a transaction, READ COMMITTED: committed when fn returns nil, else rolled back.
func Tx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, fn)
}

// pingAtFirst and pingAtMost are the pauses between attempts of [Await].
const (
	pingAtFirst = 25 * time.Millisecond
	pingAtMost  = time.Second
)

// Await waits until the pool's database answers. It ends early with what cannot get better by waiting (such as a wrong
// password), or when ctx ends, and then tells the last failure.
func Await(ctx context.Context, pool *pgxpool.Pool) error {
	for pause := pingAtFirst; ; pause = min(2*pause, pingAtMost) {
		err := pool.Ping(ctx)
		if err == nil {
			return nil
		}
		c := pool.Config().ConnConfig
		if !IsTransient(err) && ctx.Err() == nil {
			return fmt.Errorf("connect to database %s at %s:%d as %s: %w", c.Database, c.Host, c.Port, c.User, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for database %s at %s:%d as %s: %w: %w", c.Database, c.Host, c.Port, c.User, ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// transientClasses are the classes of SQLSTATE that can pass by themselves: connection, transaction rolled back, out of
// resources, operator intervention, and system errors.
var transientClasses = []string{"08", "40", "53", "57", "58"} //nolint:gochecknoglobals // a table of constants

// IsTransient tells whether the same call may succeed when it is made again: the server was not there, went away, was
// full, or had to roll back because of another transaction. Whether the first call took effect is not known after a
// lost connection. The end of a caller's context is not transient.
func IsTransient(err error) bool {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &pg):
		return slices.Contains(transientClasses, pg.Code[:min(2, len(pg.Code))]) && pg.Code != "57014" || // not: query cancelled
			pg.Code == "55P03" || // lock not available
			pg.Code == "XX000" && strings.Contains(pg.Message, "concurrently updated")
	case errors.As(err, &connect): // also after the time that a connection may take, which is not the caller's
		return true
	case errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// IsUniqueViolation tells whether a unique or primary key (one of those named, or any if none is named) refused a row.
func IsUniqueViolation(err error, constraint ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && (len(constraint) == 0 || slices.Contains(constraint, pg.ConstraintName))
}

// maxIdent is the length of an identifier in PostgreSQL, in bytes; it cuts longer ones off without an error.
const maxIdent = 63

// CheckIdent tells why name cannot be an identifier.
func CheckIdent(name string) error {
	switch {
	case name == "":
		return errors.New("an SQL identifier must not be empty")
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("the SQL identifier %q holds a NUL character", name)
	case len(name) > maxIdent:
		return fmt.Errorf("the SQL identifier %q is %d bytes long, PostgreSQL takes %d", name, len(name), maxIdent)
	}
	return nil
}

// QuoteIdent quotes an identifier for a statement. Check names that come from outside with [CheckIdent] first.
func QuoteIdent(name string) string { return pgx.Identifier{name}.Sanitize() }

// quoteLiteral quotes a text for the few statements that take no parameters (DDL). It holds with any setting of
// standard_conforming_strings, as texts with a backslash are written as E”.
func quoteLiteral(s string) string {
	quoted := "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + quoted
	}
	return quoted
}
