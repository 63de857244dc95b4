package store

import (
	"context"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	// A connection that nothing used for this long is closed.
	idleTimeout     = 2 * time.Minute
	nodeIdleTimeout = 20 * time.Second
	maxLifetime     = 30 * time.Minute // Source: Corda 5.0
)

// Open makes a pool, which connects when it is first used. Its sessions have the URL's currentSchema as their search
// path, UTC as their time zone, and app (the worker's node name) as their application_name. A query made with a context
// that holds a span gets a child span.
func Open(ctx context.Context, c Connection, app string, options ...Option) (*pgxpool.Pool, error) {
	config, err := poolConfig(c, app)
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := o(config); err != nil {
			return nil, fmt.Errorf("open a pool as %s: %w", c.User, err)
		}
	}
	return openPool(ctx, config)
}

func openPool(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		c := config.ConnConfig
		return nil, fmt.Errorf("open a pool to database %s at %s:%d as %s: %w", c.Database, c.Host, c.Port, c.User, err)
	}
	return pool, nil
}

// Connect opens one session, like those of [Open].
func Connect(ctx context.Context, c Connection, app string) (*pgx.Conn, error) {
	config, err := poolConfig(c, app)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", c, err)
	}
	return conn, nil
}

// poolConfig never parses anything of the connection as a connection string, so that none of it can be taken for an
// option.
func poolConfig(c Connection, app string) (*pgxpool.Config, error) {
	j, err := ParseJDBC(c.JDBCURL)
	if err != nil {
		return nil, fmt.Errorf("connection as %s: %w", c.User, err)
	}
	// The fixed text keeps pgx from reading the environment, service files and password files.
	mode := j.SSLMode
	if mode == "" {
		mode = "prefer" // the default of the JDBC driver, and of PostgreSQL's own clients
		if ip := net.ParseIP(j.Host); j.Host == "localhost" || ip.IsLoopback() {
			mode = "disable" // what does not leave the machine: saves a refused attempt at TLS for each connection
		}
	}
	config, err := pgxpool.ParseConfig("host=" + quoteDSN(j.Host) + " sslmode=" + mode +
		" user=none password=none passfile='' servicefile='' dbname=none target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("connection %v: %w", c, err)
	}
	conn := config.ConnConfig
	conn.Port, conn.Database, conn.User, conn.Password = uint16(j.Port), j.Database, c.User, c.Password //nolint:gosec // checked by ParseJDBC
	for _, f := range conn.Fallbacks {
		f.Port = conn.Port
	}
	conn.ConnectTimeout = connectTimeout
	conn.RuntimeParams = map[string]string{"application_name": app, "timezone": "UTC"}
	if j.Schema != "" {
		conn.RuntimeParams["search_path"] = j.Schema
	}
	conn.Tracer = tracer{database: j.Database}
	config.MaxConns = int32(min(c.poolSize(), math.MaxInt16)) //nolint:gosec // bounded
	config.MaxConnLifetime, config.MaxConnIdleTime = maxLifetime, idleTimeout
	return config, nil
}

// quoteDSN quotes a value for a keyword=value connection string.
func quoteDSN(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
