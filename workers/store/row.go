package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// ConnectionRow is a row of the config database's table db_connection.
type ConnectionRow struct {
	Name        string // unique together with Privilege
	Privilege   Privilege
	Description string
	Connection  Connection
}

// putConnections inserts or replaces rows and audits them: one statement, whatever the number of rows. A replaced row
// keeps its id, and its version grows by one.
const putConnections = `
WITH given AS (
	SELECT * FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
	AS g(n, connection_id, connection_name, privilege, description, config)
), put AS (
	INSERT INTO db_connection AS c (connection_id, connection_name, privilege, version, update_ts, update_actor, description, config)
	SELECT connection_id, connection_name, privilege, 0, $7::timestamp, $8::text, description, config FROM given
	ON CONFLICT ON CONSTRAINT db_connection_uc1 DO UPDATE SET version = c.version + 1, update_ts = EXCLUDED.update_ts,
		update_actor = EXCLUDED.update_actor, description = EXCLUDED.description, config = EXCLUDED.config
	RETURNING connection_id, connection_name, privilege, description, config
), audit AS (
	INSERT INTO db_connection_audit (change_number, connection_id, connection_name, privilege, update_ts, update_actor, description, config)
	SELECT nextval('db_connection_audit_id_seq'), connection_id, connection_name, privilege, $7::timestamp, $8::text, description, config FROM put
)
SELECT put.connection_id::text FROM put JOIN given USING (connection_name, privilege) ORDER BY given.n`

// PutConnections inserts rows, or replaces those of the same name and privilege, within tx, a transaction on the config
// database. It returns their ids, in the order of rows.
func PutConnections(ctx context.Context, tx pgx.Tx, s *keys.Secrets, rows []ConnectionRow, actor string, now time.Time) ([]string, error) {
	var (
		numbers                                         []int32
		ids                                             []uuid.UUID
		names, privileges, descriptions, configurations []string
	)
	for i, r := range rows {
		text, err := r.Connection.Encode(s)
		if err != nil {
			return nil, err
		}
		numbers, ids = append(numbers, int32(i)), append(ids, uuid.New()) //nolint:gosec // few
		names, privileges = append(names, r.Name), append(privileges, string(r.Privilege))
		descriptions, configurations = append(descriptions, r.Description), append(configurations, text)
	}
	result, err := tx.Query(ctx, putConnections, numbers, ids, names, privileges, descriptions, configurations, now.UTC(), actor)
	if err != nil {
		return nil, fmt.Errorf("write %d rows of db_connection: %w", len(rows), err)
	}
	out, err := pgx.CollectRows(result, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("write %d rows of db_connection: %w", len(rows), err)
	}
	return out, nil
}
