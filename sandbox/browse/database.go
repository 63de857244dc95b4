package browse

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// Databases lists the logical databases: those of the cluster by name, then those of virtual nodes by owner. A virtual
// node's database that lies on another server, as its creator may wish, is not among them. Sessions are left at 0.
func (b *Browser) Databases(ctx context.Context) ([]sandbox.DatabaseInfo, error) {
	s, err := b.source()
	if err != nil {
		return nil, err
	}
	owners, err := b.owners(ctx, s)
	if err != nil {
		return nil, err
	}
	schemas := map[string]string{} // of the cluster: database and schema → name
	databases := map[string]bool{}
	for name, d := range s.Databases {
		databases[d.Database] = true
		if name != nodes {
			schemas[d.Database+"\x00"+d.Schema] = name
		}
	}
	list := []sandbox.DatabaseInfo{}
	for _, database := range slices.Sorted(maps.Keys(databases)) {
		found, err := b.schemas(ctx, database)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			if name, ok := schemas[database+"\x00"+d.Schema]; ok {
				d.Name = name
			} else if hash, kind, ok := nodeSchema(d.Schema); ok && database == s.Databases[nodes].Database {
				d.Name, d.VNode, d.Owner = hash+"/"+kind, hash, owners[hash]
			} else {
				continue
			}
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b sandbox.DatabaseInfo) int {
		ofNode := func(d sandbox.DatabaseInfo) int { return min(1, len(d.VNode)) }
		return cmp.Or(cmp.Compare(ofNode(a), ofNode(b)), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// schemas lists the schemas of a database with what lies in them.
func (b *Browser) schemas(ctx context.Context, database string) (list []sandbox.DatabaseInfo, err error) {
	err = b.read(ctx, database, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT n.nspname::text, count(c.oid) FILTER (WHERE c.relkind IN ('r', 'p', 'v', 'm')),
				coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind IN ('r', 'm')), 0)::bigint
			FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm')
			WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' GROUP BY 1 ORDER BY 1`)
		if err != nil {
			return err
		}
		d := sandbox.DatabaseInfo{Database: database}
		_, err = pgx.ForEachRow(rows, []any{&d.Schema, &d.Tables, &d.Bytes}, func() error {
			list = append(list, d)
			return nil
		})
		return err
	})
	return list, err
}

// owners gives the X.500 names of the virtual nodes by short hash.
func (b *Browser) owners(ctx context.Context, s Source) (map[string]string, error) {
	owners := map[string]string{}
	config, ok := s.Databases["config"]
	if !ok {
		return owners, nil
	}
	err := b.read(ctx, config.Database, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT holding_identity_id, x500_name FROM "+store.QuoteIdent(config.Schema)+".holding_identity")
		if err != nil {
			return err
		}
		var hash, name string
		_, err = pgx.ForEachRow(rows, []any{&hash, &name}, func() error {
			owners[strings.ToUpper(hash)] = name
			return nil
		})
		return err
	})
	return owners, err
}

// nodeSchema reads the name of a virtual node's schema.
func nodeSchema(schema string) (hash, kind string, ok bool) {
	rest, ok := strings.CutPrefix(schema, "vnode_")
	if !ok {
		return "", "", false
	}
	part, digits, _ := strings.Cut(rest, "_")
	h, err := ident.ParseShortHash(digits)
	for kind, name := range kinds() {
		if err == nil && part == string(kind) {
			return string(h), name, true
		}
	}
	return "", "", false
}

// kinds are the databases of a virtual node by the names that people use.
func kinds() map[store.NodeKind]string {
	return map[store.NodeKind]string{store.Vault: "vault", store.Crypto: "crypto", store.Uniqueness: "uniqueness"}
}

// locate finds a logical database by its name.
func (b *Browser) locate(name string) (sandbox.Database, error) {
	s, err := b.source()
	if err != nil {
		return sandbox.Database{}, err
	}
	if d, ok := s.Databases[name]; ok && name != nodes {
		return d, nil
	}
	digits, of, _ := strings.Cut(name, "/")
	h, err := ident.ParseShortHash(digits)
	for kind, name := range kinds() {
		if err == nil && of == name {
			return sandbox.Database{Database: s.Databases[nodes].Database, Schema: kind.SchemaName(h)}, nil
		}
	}
	return sandbox.Database{}, &NotFoundError{"database", name}
}
