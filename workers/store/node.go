package store

import (
	"fmt"

	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// NodeKind is one of the three databases of a virtual node, by the name that its schema, users and connections carry.
type NodeKind string

const (
	Vault      NodeKind = "vault"
	Crypto     NodeKind = "crypto"
	Uniqueness NodeKind = "uniq"
)

// NodeKinds lists all three, in the order in which they are made.
func NodeKinds() []NodeKind { return []NodeKind{Vault, Crypto, Uniqueness} }

// Family is the family of the database's tables.
func (k NodeKind) Family() Family {
	switch k {
	case Crypto:
		return FamilyCrypto
	case Uniqueness:
		return FamilyUniqueness
	default:
		return FamilyVault
	}
}

// SchemaName is the name of a virtual node's schema, which is also that of its connections: vnode_KIND_HASH, the hash in
// lower case.
//
// Source: Corda 5.0.
func (k NodeKind) SchemaName(h ident.ShortHash) string { return "vnode_" + string(k) + "_" + h.Lower() }

// RoleName is the name of the PostgreSQL role that a virtual node's schema is reached with: SCHEMA_ddl or SCHEMA_dml.
// Unlike in Corda 5.0 it holds no time, so that what a crashed attempt left behind is found and completed.
func (k NodeKind) RoleName(h ident.ShortHash, p Privilege) string {
	if p == DDL {
		return k.SchemaName(h) + "_ddl"
	}
	return k.SchemaName(h) + "_dml"
}

// Pool sizes of a virtual node's connections. Source: Corda 5.0 has one connection for each.
const (
	nodeDDLPool = 1
	nodeDMLPool = 4
)

// nodePassword is the length of the password of a virtual node's role. Source: Corda 5.0.
const nodePassword = 64

// NodeDatabase is one database of a virtual node.
type NodeDatabase struct {
	Kind     NodeKind
	Hash     ident.ShortHash
	Schema   string     // also the name of both connections
	DDL, DML Connection // its owner's, and that of work
}

// Rows gives the two connections as rows of db_connection, DDL first.
func (d NodeDatabase) Rows() []ConnectionRow {
	row := func(p Privilege, c Connection) ConnectionRow {
		return ConnectionRow{Name: d.Schema, Privilege: p, Connection: c, Description: fmt.Sprintf("%s %s connection for %s", d.Kind, p, d.Hash)}
	}
	return []ConnectionRow{row(DDL, d.DDL), row(DML, d.DML)}
}

// nodeDatabase says what a database of a virtual node is to be, on the server and database of admin. The passwords
// follow from the secrets key and the role's name: two workers that make the same node get the same.
func nodeDatabase(admin Connection, s *keys.Secrets, h ident.ShortHash, k NodeKind) (NodeDatabase, error) {
	url, err := ParseJDBC(admin.JDBCURL)
	if err != nil {
		return NodeDatabase{}, fmt.Errorf("connection %s: %w", ConnectionVirtualNodes, err)
	}
	url.Schema = k.SchemaName(h)
	url.rewriteInserts = k == Uniqueness
	d := NodeDatabase{Kind: k, Hash: h, Schema: url.Schema}
	for p, c := range map[Privilege]*Connection{DDL: &d.DDL, DML: &d.DML} {
		*c = Connection{JDBCURL: url.String(), User: k.RoleName(h, p), PoolSize: nodeDMLPool}
		if p == DDL {
			c.PoolSize = nodeDDLPool
		}
		if c.Password, err = s.Password("postgresql role "+c.User, nodePassword); err != nil {
			return NodeDatabase{}, err
		}
	}
	return d, nil
}
