package database

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/packaging"
	"github.com/cordage-sandbox/cordage/workers/packaging/policy"
)

// staticNetwork stands in for the MGM that a static network does not have: a key pair and the first group parameters,
// one row of static_network_info for each group. The first CPI of the group makes it.
//
// Source: Corda 5.0, CPI upload of a static network. There the private key is stored in clear.
type staticNetwork struct {
	groupID    string
	publicKey  []byte // SubjectPublicKeyInfo, DER
	privateKey []byte // PKCS#8, DER, base64, encrypted as a secret of the configuration
	parameters []byte // JSON: list of {key, value}
}

// staticKeyBits is the size of CORDA.RSA keys.
const staticKeyBits = 3072

// prepareStaticNetwork makes what a static network needs, outside of the transaction: a key pair takes a while. It is nil
// for groups that are not static.
func (u *uploads) prepareStaticNetwork(ctx context.Context, cpi *packaging.CPI) (*staticNetwork, error) {
	if cpi.Policy.Kind != policy.Static {
		return nil, nil //nolint:nilnil // no static network is a value
	}
	known := &staticNetwork{groupID: cpi.GroupID}
	err := u.config.QueryRow(ctx, `SELECT mgm_public_signing_key FROM static_network_info WHERE group_id = $1`, cpi.GroupID).Scan(&known.publicKey)
	if err == nil {
		return known, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read static network %s: %w", cpi.GroupID, err)
	}
	return newStaticNetwork(cpi.GroupID, u.secrets, u.clock.Now())
}

func newStaticNetwork(groupID string, secrets *keys.Secrets, now time.Time) (*staticNetwork, error) {
	pair, err := rsa.GenerateKey(rand.Reader, staticKeyBits)
	if err != nil {
		return nil, fmt.Errorf("make the key pair of static network %s: %w", groupID, err)
	}
	public, err := x509.MarshalPKIXPublicKey(&pair.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode the public key of static network %s: %w", groupID, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		return nil, fmt.Errorf("encode the private key of static network %s: %w", groupID, err)
	}
	encrypted, err := secrets.Encrypt(string(private))
	if err != nil {
		return nil, fmt.Errorf("encrypt the private key of static network %s: %w", groupID, err)
	}
	type item struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	parameters, err := json.Marshal([]item{{"corda.epoch", "1"}, {"corda.modifiedTime", now.Format(time.RFC3339Nano)}})
	if err != nil {
		return nil, fmt.Errorf("encode the group parameters of static network %s: %w", groupID, err)
	}
	return &staticNetwork{groupID, public, []byte(encrypted), parameters}, nil
}

// inject stores the network, unless it is there already, and gives the group policy with the mgmInfo of what is stored.
func (s *staticNetwork) inject(ctx context.Context, tx pgx.Tx, groupPolicy string) (string, error) {
	if s.privateKey != nil {
		_, err := tx.Exec(ctx, `
			INSERT INTO static_network_info (group_id, mgm_public_signing_key, mgm_private_signing_key, group_parameters, version)
			VALUES ($1, $2, $3, $4, 0) ON CONFLICT (group_id) DO NOTHING`, s.groupID, s.publicKey, s.privateKey, s.parameters)
		if err != nil {
			return "", err
		}
	}
	var public []byte
	err := tx.QueryRow(ctx, `SELECT mgm_public_signing_key FROM static_network_info WHERE group_id = $1`, s.groupID).Scan(&public)
	if err != nil {
		return "", err
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(groupPolicy), &members); err != nil {
		return "", fmt.Errorf("read the group policy: %w", err)
	}
	sum := sha256.Sum256(public)
	info, err := json.Marshal(map[string]string{
		"corda.name":                          "O=Corda-Static-Network-MGM, L=London, C=GB",
		"corda.groupId":                       s.groupID,
		"corda.session.keys.0.pem":            string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"corda.session.keys.0.hash":           packaging.Checksum(sum[:]),
		"corda.session.keys.0.signature.spec": "SHA256withRSA",
		"corda.endpoints.0.connectionURL":     "https://localhost:8080",
		"corda.endpoints.0.protocolVersion":   "1",
		"corda.platformVersion":               "50000",
		"corda.softwareVersion":               "5.0.0.0",
		"corda.mgm.static":                    "true",
	})
	if err != nil {
		return "", fmt.Errorf("encode mgmInfo: %w", err)
	}
	members["mgmInfo"] = info
	text, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("encode the group policy: %w", err)
	}
	return string(text), nil
}
