package database

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/store"
)

// insert stores the node in one transaction: its connections with an audit row each, its holding identity, itself.
func (c *creator) insert(ctx context.Context, conn *pgx.Conn, p *plan, connections []store.ConnectionRow) error {
	routes, err := c.routes(p)
	if err != nil {
		return err
	}
	now := c.clock.Now()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		ids, err := store.PutConnections(ctx, tx, c.secrets, connections, p.actor, now)
		if err != nil {
			return err
		}
		id := func(kind store.NodeKind, privilege store.Privilege) *string {
			for i, row := range connections {
				if row.Name == kind.SchemaName(p.hash) && row.Privilege == privilege {
					return &ids[i]
				}
			}
			return nil
		}
		batch := &pgx.Batch{}
		batch.Queue(`
			INSERT INTO holding_identity (holding_identity_id, holding_identity_full_hash, x500_name, mgm_group_id)
			VALUES ($1, $2, $3, $4) ON CONFLICT (holding_identity_id) DO NOTHING`,
			string(p.hash), p.identity.FullHash(), p.identity.X500Name, p.identity.GroupID)
		batch.Queue(`
			INSERT INTO virtual_node (holding_identity_id, cpi_name, cpi_version, cpi_signer_summary_hash,
				flow_p2p_operational_status, flow_start_operational_status, flow_operational_status, vault_db_operational_status,
				external_messaging_route_config, entity_version, is_deleted, insert_ts,
				vault_ddl_connection_id, vault_dml_connection_id, crypto_ddl_connection_id, crypto_dml_connection_id,
				uniqueness_ddl_connection_id, uniqueness_dml_connection_id)
			VALUES ($1, $2, $3, $4, 'ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', $5, 0, false, $6,
				$7::text::uuid, $8::text::uuid, $9::text::uuid, $10::text::uuid, $11::text::uuid, $12::text::uuid)`,
			string(p.hash), p.cpi.Name, p.cpi.Version, p.cpi.SignerSummaryHash, routes, now,
			id(store.Vault, store.DDL), id(store.Vault, store.DML), id(store.Crypto, store.DDL), id(store.Crypto, store.DML),
			id(store.Uniqueness, store.DDL), id(store.Uniqueness, store.DML))
		return tx.SendBatch(ctx, batch).Close()
	})
}
