package database

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// cpiRow is a CPI on its way into the tables. CPKs are shared: one that is there already is left as it is.
type cpiRow struct {
	cpi    *packaging.CPI
	up     *upload
	policy string // with mgmInfo, for a static network
	now    time.Time
}

// insert stores the CPI and its CPKs. CPKs go in the order of their checksums, so that two transactions with the same
// CPKs wait for each other and do not deadlock. One CPK at a time is in memory.
func (r cpiRow) insert(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO cpi (name, version, signer_summary_hash, file_name, file_checksum, group_policy, group_id,
			file_upload_request_id, entity_version, is_deleted, insert_ts)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, false, $9)`,
		r.cpi.ID.Name, r.cpi.ID.Version, r.cpi.ID.SignerSummaryHash, r.up.fileName, r.cpi.FileChecksum, r.policy, r.cpi.GroupID,
		r.up.request, r.now)
	if err != nil {
		return err
	}
	cpks := slices.SortedFunc(slices.Values(r.cpi.CPKs), func(a, b *packaging.CPK) int { return cmp.Compare(a.FileChecksum, b.FileChecksum) })
	for _, cpk := range cpks {
		if err := r.insertCPK(ctx, tx, cpk); err != nil {
			return fmt.Errorf("%s: %w", cpk.FileName, err)
		}
	}
	return nil
}

func (r cpiRow) insertCPK(ctx context.Context, tx pgx.Tx, cpk *packaging.CPK) error {
	metadata, err := json.Marshal(cpk.Metadata(r.now))
	if err != nil {
		return err
	}
	stored, err := tx.Exec(ctx, `
		INSERT INTO cpk_metadata (cpk_name, cpk_version, cpk_signer_summary_hash, file_checksum, format_version, metadata,
			entity_version, is_deleted, insert_ts)
		VALUES ($1, $2, $3, $4, $5, $6, 0, false, $7) ON CONFLICT (file_checksum) DO NOTHING`,
		cpk.ID.Name, cpk.ID.Version, cpk.ID.SignerSummaryHash, cpk.FileChecksum, packaging.FormatVersion, string(metadata), r.now)
	if err != nil {
		return err
	}
	if stored.RowsAffected() > 0 {
		if err := r.insertFile(ctx, tx, cpk); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO cpi_cpk (cpi_name, cpi_version, cpi_signer_summary_hash, cpk_file_checksum, cpk_file_name, entity_version,
			is_deleted, insert_ts)
		VALUES ($1, $2, $3, $4, $5, 0, false, $6)`,
		r.cpi.ID.Name, r.cpi.ID.Version, r.cpi.ID.SignerSummaryHash, cpk.FileChecksum, cpk.FileName, r.now)
	return err
}

// insertFile stores the bytes of a CPK that was not there, and its change logs with an audit row each.
func (r cpiRow) insertFile(ctx context.Context, tx pgx.Tx, cpk *packaging.CPK) error {
	data := make([]byte, cpk.Size)
	if _, err := io.ReadFull(cpk.Open(), data); err != nil {
		return fmt.Errorf("read the CPK: %w", err)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO cpk_file (file_checksum, data, entity_version, is_deleted, insert_ts) VALUES ($1, $2, 0, false, $3)`,
		cpk.FileChecksum, data, r.now)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, l := range cpk.ChangeLogs {
		batch.Queue(`
			INSERT INTO cpk_db_change_log (cpk_file_checksum, file_path, content, entity_version, is_deleted, insert_ts)
			VALUES ($1, $2, $3, 0, false, $4)`, cpk.FileChecksum, l.Path, l.Content, r.now)
		batch.Queue(`
			INSERT INTO cpk_db_change_log_audit (id, cpk_file_checksum, file_path, content, is_deleted, insert_ts)
			VALUES ($1, $2, $3, $4, false, $5)`, uuid.NewString(), cpk.FileChecksum, l.Path, l.Content, r.now)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// removeUpload removes the parts of a request.
func removeUpload(ctx context.Context, tx pgx.Tx, request string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM file_upload WHERE request_id = $1`, request); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM file_upload_props WHERE request_id = $1`, request)
	return err
}

// cpiInfo reads a stored CPI as it is published.
func cpiInfo(ctx context.Context, config querier, id record.CPIIdentifier) (record.CPIMetadata, error) {
	m := record.CPIMetadata{ID: id, CPKs: []record.CPKMetadata{}}
	err := config.QueryRow(ctx, `
		SELECT file_checksum, group_policy, group_id, entity_version, insert_ts FROM cpi
		WHERE name = $1 AND version = $2 AND signer_summary_hash = $3`, id.Name, id.Version, id.SignerSummaryHash).
		Scan(&m.Hash, &m.GroupPolicy, &m.GroupID, &m.Version, &m.Timestamp)
	if err != nil {
		return record.CPIMetadata{}, fmt.Errorf("read CPI %s %s: %w", id.Name, id.Version, err)
	}
	rows, err := config.Query(ctx, `
		SELECT m.metadata FROM cpi_cpk c JOIN cpk_metadata m ON m.file_checksum = c.cpk_file_checksum
		WHERE c.cpi_name = $1 AND c.cpi_version = $2 AND c.cpi_signer_summary_hash = $3 AND NOT c.is_deleted
		ORDER BY c.cpk_file_name`, id.Name, id.Version, id.SignerSummaryHash)
	if err != nil {
		return record.CPIMetadata{}, fmt.Errorf("read the CPKs of CPI %s %s: %w", id.Name, id.Version, err)
	}
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var cpk record.CPKMetadata
		if err := json.Unmarshal([]byte(text), &cpk); err != nil {
			return err
		}
		m.CPKs = append(m.CPKs, cpk)
		return nil
	})
	if err != nil {
		return record.CPIMetadata{}, fmt.Errorf("read the CPKs of CPI %s %s: %w", id.Name, id.Version, err)
	}
	return m, nil
}

// cpiEntries are the entries of cpi.info.
func cpiEntries(config querier) func(context.Context) ([]entry[record.CPIMetadata], error) {
	return func(ctx context.Context) ([]entry[record.CPIMetadata], error) {
		rows, err := config.Query(ctx, `SELECT name, version, signer_summary_hash, entity_version, is_deleted FROM cpi`)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry[record.CPIMetadata], error) {
			var id record.CPIIdentifier
			var version int
			var deleted bool
			err := row.Scan(&id.Name, &id.Version, &id.SignerSummaryHash, &version, &deleted)
			return entry[record.CPIMetadata]{
				key: record.Key(id), deleted: deleted,
				current: func(p record.CPIMetadata) bool { return p.Version >= version },
				value:   func(ctx context.Context) (record.CPIMetadata, error) { return cpiInfo(ctx, config, id) },
			}, err
		})
	}
}
