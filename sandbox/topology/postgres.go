package topology

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// postgresPart looks at who is connected to PostgreSQL: workers give their node's name as application_name. It keeps its
// connection.
type postgresPart struct {
	edges []sandbox.Edge
	conn  *pgx.Conn
	to    string // where conn leads
}

func (p *postgresPart) look(ctx context.Context, s Source) (func(), error) {
	edges, err := p.sessions(ctx, s)
	if err != nil {
		p.close()
		return nil, err
	}
	return func() { p.edges = edges }, nil
}

func (p *postgresPart) close() {
	if p.conn != nil {
		_ = p.conn.Close(context.Background()) // it was only read
		p.conn = nil
	}
}

func (p *postgresPart) connect(ctx context.Context, s Source) (*pgx.Conn, error) {
	pg := s.PostgreSQL
	to := fmt.Sprintf("%s:%d", pg.Host, pg.Port)
	if p.conn != nil && p.to == to && !p.conn.IsClosed() {
		return p.conn, nil
	}
	p.close()
	config, err := pgx.ParseConfig("sslmode=disable application_name=cordage-topology")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database = pg.Host, uint16(pg.Port), "postgres" //nolint:gosec // a port
	config.User, config.Password, config.Fallbacks = pg.User, pg.Password, nil
	p.conn, err = pgx.ConnectConfig(ctx, config)
	p.to = to
	return p.conn, err
}

func (p *postgresPart) sessions(ctx context.Context, s Source) ([]sandbox.Edge, error) {
	conn, err := p.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `
		SELECT application_name, usename, count(*), count(*) FILTER (WHERE state <> 'idle')
		FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IS NOT NULL
		GROUP BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var edges []sandbox.Edge
	var app, user string
	var count, active int
	_, err = pgx.ForEachRow(rows, []any{&app, &user, &count, &active}, func() error {
		if isNode(s.Nodes, app) {
			edges = append(edges, sandbox.Edge{
				From: app, To: s.Names.PostgreSQL, Kind: sandbox.EdgeQueries, What: logical(user), Count: count, Up: true,
				Note: fmt.Sprintf("%d active", active),
			})
		}
		return nil
	})
	return merge(edges), err
}

// merge makes one edge of those with the same ends: a virtual node's database is reached as two users.
func merge(edges []sandbox.Edge) []sandbox.Edge {
	var out []sandbox.Edge
	at := map[[2]string]int{}
	for _, e := range edges {
		key := [2]string{e.From, e.What}
		if i, ok := at[key]; ok {
			out[i].Count += e.Count
			continue
		}
		at[key] = len(out)
		out = append(out, e)
	}
	return out
}

func isNode(nodes []sandbox.Node, name string) bool {
	for _, n := range nodes {
		if n.Name == name {
			return true
		}
	}
	return false
}

// configReads is what the crypto worker does in the config database.
const configReads = "config (reads connections)"

// logical names the logical database that a user belongs to. A node's users are vnode_KIND_HASH_ddl and _dml.
func logical(user string) string {
	switch user {
	case "config_user":
		return "config"
	case "config_reader":
		return configReads
	case "rbac_user":
		return "rbac"
	case "crypto_user":
		return "crypto"
	case "vnode_admin":
		return "virtual nodes (administration)"
	}
	if rest, ok := strings.CutPrefix(user, "vnode_"); ok {
		parts := strings.Split(rest, "_")
		if len(parts) >= 2 {
			kind := parts[0]
			if kind == "uniq" {
				kind = "uniqueness"
			}
			return strings.ToUpper(parts[1]) + "/" + kind
		}
	}
	return user
}
