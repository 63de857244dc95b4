package crypto

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// softHSM keeps one wrapping key for each tenant. Which tenant has which key stands in the cluster's crypto database; the
// key itself, wrapped, in the tenant's own. Any number of crypto workers may make the same tenant's key at the same time:
// the unique association decides its alias, the unique alias decides whose key is kept.
type softHSM struct {
	databases *store.Connections
	masters   *masterKeys
	nodes     *bus.Compacted[record.VirtualNodeInfo]
	clock     *clock.Clock
	log       *slog.Logger
	metrics   *metrics
}

// Source of all names: Corda 5.0.
const (
	hsmID           = "SOFT"
	firstGeneration = 1
	tenantP2P       = "p2p"
	tenantREST      = "rest"
)

// categories are the uses of keys; rotationNever is the date that stands for no rotation.
var ( //nolint:gochecknoglobals // tables of constants
	categories     = []string{"ACCOUNTS", "CI", "LEDGER", "NOTARY", "PRE_AUTH", "SESSION_INIT", "TLS", "JWT_KEY"}
	clusterTenants = []string{tenantP2P, tenantREST}
	rotationNever  = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
)

// assign sees to it that the tenant is associated with the soft HSM, for the categories (none: for no use yet), and has
// its wrapping key in the database. It gives the key's alias.
func (h *softHSM) assign(ctx context.Context, tenant string, tenantDB *pgxpool.Pool, categories ...string) (string, error) {
	cluster, err := h.cluster(ctx)
	if err != nil {
		return "", err
	}
	alias, err := h.associate(ctx, cluster, tenant, categories)
	if err != nil {
		return "", fmt.Errorf("associate tenant %s with the HSM: %w", tenant, err)
	}
	if err := h.ensureKey(ctx, tenantDB, tenant, alias); err != nil {
		return "", fmt.Errorf("wrapping key of tenant %s: %w", tenant, err)
	}
	return alias, nil
}

func (h *softHSM) cluster(ctx context.Context) (*pgxpool.Pool, error) {
	return h.databases.Named(ctx, store.ConnectionCrypto, store.DML)
}

// newAlias makes the alias of a wrapping key: 12 random hex digits. Corda 5.0 takes them from the text of a UUID, of which
// they keep about 24 bits.
func newAlias() string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw) // never fails
	return strings.ToUpper(hex.EncodeToString(raw))
}

// associate gives the alias of the tenant's wrapping key, and adds what is missing of the association.
func (h *softHSM) associate(ctx context.Context, cluster *pgxpool.Pool, tenant string, wanted []string) (alias string, err error) {
	now := h.clock.Now()
	err = store.Tx(ctx, cluster, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO crypto_hsm_association (id, tenant_id, hsm_id, "timestamp", master_key_alias) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, hsm_id) DO NOTHING`, uuid.NewString(), tenant, hsmID, now, newAlias())
		if err != nil {
			return err
		}
		var id string
		err = tx.QueryRow(ctx, `SELECT id, coalesce(master_key_alias, '') FROM crypto_hsm_association WHERE tenant_id = $1 AND hsm_id = $2`,
			tenant, hsmID).Scan(&id, &alias)
		if err != nil {
			return err
		}
		if alias == "" {
			return errors.New("its association names no wrapping key")
		}
		for _, category := range wanted {
			_, err := tx.Exec(ctx, `
				INSERT INTO crypto_hsm_category_association (id, tenant_id, category, hsm_association_id, "timestamp", deprecated_at)
				VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (tenant_id, category, deprecated_at) DO NOTHING`,
				uuid.NewString(), tenant, category, id, now)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return alias, err
}

// ensureKey makes the wrapping key unless it is there.
func (h *softHSM) ensureKey(ctx context.Context, db *pgxpool.Pool, tenant, alias string) error {
	start := time.Now()
	var exists bool
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM crypto_wrapping_key WHERE alias = $1)`, alias).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	master, err := h.masters.current()
	if err != nil {
		return err
	}
	made, err := db.Exec(ctx, `
		INSERT INTO crypto_wrapping_key (id, alias, generation, created, encoding_version, algorithm_name, key_material,
			rotation_date, is_parent_key_managed, parent_key_reference)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false, $9) ON CONFLICT (alias, generation) DO NOTHING`,
		uuid.New(), alias, firstGeneration, h.clock.Now(), keys.WrappingKeyEncodingVersion, keys.WrappingKeyAlgorithm,
		master.Wrap(keys.NewWrappingKey()), rotationNever, master.Alias())
	if err != nil {
		return err
	}
	if made.RowsAffected() > 0 {
		h.metrics.created(tenant, time.Since(start))
		h.log.InfoContext(ctx, "a wrapping key is made", "tenant", tenant, "alias", alias, "master", master.Alias())
	}
	return nil
}

// nodeLimit is how long a request waits for a virtual node that has just been published.
const nodeLimit = 3 * time.Second

// register answers a request for a tenant's wrapping key.
func (h *softHSM) register(ctx context.Context, q record.HSMRegistrationRequest) (record.HSMRegistrationResponse, error) {
	refuse := func(format string, args ...any) (record.HSMRegistrationResponse, error) {
		return record.HSMRegistrationResponse{Failure: &record.Failure{Type: record.FailureInvalidTenant, Message: fmt.Sprintf(format, args...)}}, nil
	}
	var wanted []string
	if q.Category != "" {
		category := strings.ToUpper(q.Category)
		if !slices.Contains(categories, category) {
			return refuse("the category %.50q is none of %s", q.Category, strings.Join(categories, ", "))
		}
		wanted = append(wanted, category)
	}
	if slices.Contains(clusterTenants, q.TenantID) {
		cluster, err := h.cluster(ctx)
		if err != nil {
			return record.HSMRegistrationResponse{}, err
		}
		return h.registered(h.assign(ctx, q.TenantID, cluster, wanted...))
	}
	hash, err := ident.ParseShortHash(q.TenantID)
	if err != nil {
		return refuse("the tenant is neither p2p nor rest nor a virtual node: %v", err)
	}
	node, err := h.awaitNode(ctx, hash)
	if err != nil {
		return refuse("there is no virtual node %s", hash)
	}
	if node.CryptoDML == "" {
		return refuse("virtual node %s has no crypto database", hash)
	}
	return h.registered(h.assignNode(ctx, node, wanted...))
}

func (h *softHSM) registered(alias string, err error) (record.HSMRegistrationResponse, error) {
	if err != nil {
		return record.HSMRegistrationResponse{}, err
	}
	return record.HSMRegistrationResponse{HSMID: hsmID, MasterKeyAlias: alias}, nil
}

func (h *softHSM) assignNode(ctx context.Context, node record.VirtualNodeInfo, wanted ...string) (string, error) {
	db, err := h.databases.ByID(ctx, node.CryptoDML)
	if err != nil {
		return "", fmt.Errorf("crypto database of virtual node %s: %w", node.HoldingIdentity.ShortHash(), err)
	}
	return h.assign(ctx, string(node.HoldingIdentity.ShortHash()), db, wanted...)
}

// awaitNode waits for a node to be published.
func (h *softHSM) awaitNode(ctx context.Context, hash ident.ShortHash) (node record.VirtualNodeInfo, err error) {
	limited, cancel := context.WithTimeout(ctx, nodeLimit)
	defer cancel()
	err = h.nodes.Await(limited, func(all map[string]record.VirtualNodeInfo) bool {
		for _, n := range all {
			if n.HoldingIdentity.ShortHash() == hash {
				node = n
				return true
			}
		}
		return false
	})
	return node, err
}
