package topology

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
)

// sessions observes who is connected to PostgreSQL: workers give their node's name as application_name.
func sessions(ctx context.Context, s Source) ([]sandbox.Edge, error) {
	config, err := pgx.ParseConfig("sslmode=disable application_name=cordage-topology")
	if err != nil {
		return nil, err
	}
	pg := s.PostgreSQL
	config.Host, config.Port, config.Database = pg.Host, uint16(pg.Port), "postgres" //nolint:gosec // a port
	config.User, config.Password, config.Fallbacks = pg.User, pg.Password, nil
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
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
	return edges, err
}

func isNode(nodes []sandbox.Node, name string) bool {
	for _, n := range nodes {
		if n.Name == name {
			return true
		}
	}
	return false
}

// logical names the logical database that a user belongs to. A node's users are vnode_KIND_HASH_ddl and _dml.
func logical(user string) string {
	switch user {
	case "config_user":
		return "config"
	case "config_reader":
		return "config (reads connections)"
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
