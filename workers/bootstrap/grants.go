package bootstrap

// Names of the schemas, as connections spell them; the server folds them to lower case. Source: Corda 5.0.
const (
	schemaConfig = "CONFIG"
	schemaRBAC   = "RBAC"
	schemaCrypto = "CRYPTO"
)

// layout says in which database each logical database is.
type layout struct{ config, rbac, crypto, nodes string }

func (c Config) layout() layout {
	all := c.Prefix + "cordacluster"
	if !c.Separate {
		return layout{all, all, all, all}
	}
	return layout{config: c.Prefix + "corda_config", rbac: c.Prefix + "corda_rbac", crypto: c.Prefix + "corda_crypto", nodes: all}
}

// databases lists each database once.
func (l layout) databases() []string {
	if l.config == l.nodes {
		return []string{l.nodes}
	}
	return []string{l.config, l.rbac, l.crypto, l.nodes}
}

// dbRole is a PostgreSQL role of the cluster. A role with a password can log in; the owners of the schemas cannot.
type dbRole struct {
	name       string
	createRole bool
	password   func(Passwords) string // nil: cannot log in
}

// Owners of the cluster's schemas and users of its databases. Virtual nodes have users of their own (package store).
const (
	configDDL    = "config_ddl"
	rbacDDL      = "rbac_ddl"
	cryptoDDL    = "crypto_ddl"
	configUser   = "config_user"
	configReader = "config_reader"
	rbacUser     = "rbac_user"
	cryptoUser   = "crypto_user"
	vnodeAdmin   = "vnode_admin"
)

func roles() []dbRole {
	return []dbRole{
		{name: configDDL}, {name: rbacDDL}, {name: cryptoDDL},
		{name: configUser, password: func(p Passwords) string { return p.ConfigUser }},
		{name: configReader, password: func(p Passwords) string { return p.ConfigReader }},
		{name: rbacUser, password: func(p Passwords) string { return p.RBACUser }},
		{name: cryptoUser, password: func(p Passwords) string { return p.CryptoUser }},
		{name: vnodeAdmin, createRole: true, password: func(p Passwords) string { return p.VNodeAdmin }},
	}
}

// objects are what a grant is on.
type objects string

const (
	onDatabase  objects = "DATABASE"
	onSchema    objects = "SCHEMA"
	onTable     objects = "TABLE"
	onTables    objects = "ALL TABLES IN SCHEMA"
	onSequences objects = "ALL SEQUENCES IN SCHEMA"
)

// grant is one right of a role.
type grant struct {
	role       string
	privileges []string
	on         objects
	schema     string // lower case; empty for onDatabase
	table      string // only for onTable
}

// grants are all the rights of the cluster's users, on their own logical database; everything else is refused. Owners
// have all rights on what they own. A test compares this table with the database.
//
// Source: Corda 5.0's chart; there, crypto workers use the same user as database workers.
func grants() []grant {
	rows := []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	return []grant{
		{configUser, []string{"CONNECT"}, onDatabase, "config", ""},
		{configUser, []string{"USAGE"}, onSchema, "config", ""},
		{configUser, rows, onTables, "config", ""},
		{configUser, []string{"USAGE", "SELECT"}, onSequences, "config", ""},

		{configReader, []string{"CONNECT"}, onDatabase, "config", ""},
		{configReader, []string{"USAGE"}, onSchema, "config", ""},
		{configReader, []string{"SELECT"}, onTable, "config", "db_connection"},

		{rbacUser, []string{"CONNECT"}, onDatabase, "rbac", ""},
		{rbacUser, []string{"USAGE"}, onSchema, "rbac", ""},
		{rbacUser, rows, onTables, "rbac", ""},

		{cryptoUser, []string{"CONNECT"}, onDatabase, "crypto", ""},
		{cryptoUser, []string{"USAGE"}, onSchema, "crypto", ""},
		{cryptoUser, rows, onTables, "crypto", ""},

		{vnodeAdmin, []string{"CONNECT", "CREATE"}, onDatabase, "nodes", ""},
	}
}

// database is where the logical database of a grant lies.
func (l layout) database(logical string) string {
	switch logical {
	case "config":
		return l.config
	case "rbac":
		return l.rbac
	case "crypto":
		return l.crypto
	default:
		return l.nodes
	}
}
