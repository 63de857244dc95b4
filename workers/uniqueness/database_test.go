package uniqueness_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

var schemas atomic.Int64

const tables = `
CREATE TABLE uniqueness_state_details (
	issue_tx_id_algo varchar(8) NOT NULL, issue_tx_id bytea NOT NULL, issue_tx_output_idx int NOT NULL,
	consuming_tx_id_algo varchar(8), consuming_tx_id bytea,
	PRIMARY KEY (issue_tx_id_algo, issue_tx_id, issue_tx_output_idx));
CREATE TABLE uniqueness_tx_details (
	tx_id_algo varchar(8) NOT NULL, tx_id bytea NOT NULL, originator_x500_name varchar(1024) NOT NULL,
	expiry_datetime timestamp NOT NULL, commit_timestamp timestamp NOT NULL, result char NOT NULL,
	PRIMARY KEY (tx_id_algo, tx_id));
CREATE TABLE uniqueness_rejected_txs (
	tx_id_algo varchar(8) NOT NULL, tx_id bytea NOT NULL, error_details bytea NOT NULL,
	PRIMARY KEY (tx_id_algo, tx_id));`

// newNode makes a node's uniqueness schema, and a pool of connections that see it.
func newNode(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	ctx := context.Background()
	schema := fmt.Sprintf("vnode_uniq_%d_%d", os.Getpid(), schemas.Add(1))
	config, err := pgxpool.ParseConfig("postgres://postgres@127.0.0.1:25432/postgres?pool_max_conns=4")
	if err != nil {
		tb.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "CREATE SCHEMA "+schema+"; "+tables); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if _, err := pool.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			tb.Error(err)
		}
		pool.Close()
	})
	return pool
}
