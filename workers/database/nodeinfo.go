package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// querier reads: a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const selectNode = `
	SELECT h.x500_name, h.mgm_group_id, v.cpi_name, v.cpi_version, v.cpi_signer_summary_hash,
		v.vault_ddl_connection_id::text, coalesce(v.vault_dml_connection_id::text, ''),
		v.crypto_ddl_connection_id::text, coalesce(v.crypto_dml_connection_id::text, ''),
		v.uniqueness_ddl_connection_id::text, coalesce(v.uniqueness_dml_connection_id::text, ''),
		h.hsm_connection_id::text, v.flow_p2p_operational_status, v.flow_start_operational_status, v.flow_operational_status,
		v.vault_db_operational_status, v.operation_in_progress, v.external_messaging_route_config, v.entity_version, v.insert_ts
	FROM virtual_node v JOIN holding_identity h USING (holding_identity_id)
	WHERE v.holding_identity_id = $1`

// nodeInfo reads a virtual node as it is published. The error wraps [pgx.ErrNoRows] if there is none.
func nodeInfo(ctx context.Context, config querier, hash ident.ShortHash) (record.VirtualNodeInfo, error) {
	var n record.VirtualNodeInfo
	err := config.QueryRow(ctx, selectNode, string(hash)).Scan(
		&n.HoldingIdentity.X500Name, &n.HoldingIdentity.GroupID, &n.CPI.Name, &n.CPI.Version, &n.CPI.SignerSummaryHash,
		&n.VaultDDL, &n.VaultDML, &n.CryptoDDL, &n.CryptoDML, &n.UniquenessDDL, &n.UniquenessDML, &n.HSM,
		&n.FlowP2P, &n.FlowStart, &n.FlowOperational, &n.VaultDB, &n.OperationProgress, &n.ExternalRoutes, &n.Version, &n.Timestamp)
	if err != nil {
		return record.VirtualNodeInfo{}, fmt.Errorf("read virtual node %s: %w", hash, err)
	}
	return n, nil
}

// nodeEntries are the entries of virtual.node.info.
func nodeEntries(config querier) func(context.Context) ([]entry[record.VirtualNodeInfo], error) {
	return func(ctx context.Context) ([]entry[record.VirtualNodeInfo], error) {
		rows, err := config.Query(ctx, `
			SELECT v.holding_identity_id, h.x500_name, h.mgm_group_id, v.entity_version, v.is_deleted
			FROM virtual_node v JOIN holding_identity h USING (holding_identity_id)`)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry[record.VirtualNodeInfo], error) {
			var hash string
			var identity ident.HoldingIdentity
			var version int
			var deleted bool
			err := row.Scan(&hash, &identity.X500Name, &identity.GroupID, &version, &deleted)
			return entry[record.VirtualNodeInfo]{
				key: record.Key(identity), deleted: deleted,
				current: func(p record.VirtualNodeInfo) bool { return p.Version >= version },
				value: func(ctx context.Context) (record.VirtualNodeInfo, error) {
					return nodeInfo(ctx, config, ident.ShortHash(hash))
				},
			}, err
		})
	}
}
