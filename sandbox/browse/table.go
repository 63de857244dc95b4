package browse

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
)

// Tables lists the tables and views of a logical database, by name. Errors: *NotFoundError.
func (b *Browser) Tables(ctx context.Context, database string) ([]sandbox.Table, error) {
	d, err := b.locate(database)
	if err != nil {
		return nil, err
	}
	var tables []sandbox.Table
	err = b.read(ctx, d.Database, func(ctx context.Context, tx pgx.Tx) error {
		if err := hasSchema(ctx, tx, database, d.Schema); err != nil {
			return err
		}
		tables, err = readTables(ctx, tx, d.Schema, "")
		return err
	})
	return tables, err
}

func hasSchema(ctx context.Context, tx pgx.Tx, database, schema string) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there)
	if err == nil && !there {
		return &NotFoundError{"database", database}
	}
	return err
}

// readTables reads what there is to know of one table of a schema, or of all.
func readTables(ctx context.Context, tx pgx.Tx, schema, only string) ([]sandbox.Table, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.relname::text, CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'view' END, greatest(c.reltuples::bigint, nullif(pg_stat_get_live_tuples(c.oid), 0), -1),
			CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm') AND ($2 = '' OR c.relname = $2) ORDER BY 1`, schema, only)
	if err != nil {
		return nil, err
	}
	tables := []sandbox.Table{}
	at := map[string]int{}
	t := sandbox.Table{Columns: []sandbox.Column{}}
	if _, err = pgx.ForEachRow(rows, []any{&t.Name, &t.Kind, &t.Rows, &t.Bytes}, func() error {
		at[t.Name] = len(tables)
		tables = append(tables, t)
		return nil
	}); err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `
		SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)),
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND a.attnum = ANY(i.indkey)),
			coalesce((SELECT r.relname::text FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
				WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY(k.conkey) ORDER BY k.conname LIMIT 1), '')
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm') AND ($2 = '' OR c.relname = $2) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY c.relname, a.attnum`, schema, only)
	if err != nil {
		return nil, err
	}
	var table string
	var c sandbox.Column
	_, err = pgx.ForEachRow(rows, []any{&table, &c.Name, &c.Type, &c.Nullable, &c.Key, &c.Unique, &c.Refers}, func() error {
		c.Masked = mask.Secret(c.Name)
		tables[at[table]].Columns = append(tables[at[table]].Columns, c)
		return nil
	})
	return tables, err
}
