// Package bootstrap makes what must exist before the first worker starts: the cluster's databases, their users, rights
// and tables, the first rows, and the topics. It is run by the supervisor with the rights of PostgreSQL's superuser,
// which no worker ever has. No worker imports it.
//
// Everything can be run again: what is there is kept, what is missing is made, and what has to agree with the given
// configuration (passwords, addresses) is brought in line. Interrupted at any point and run again, it completes.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordage-sandbox/cordage/workers/bus"
	"github.com/cordage-sandbox/cordage/workers/keys"
	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/role"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// Config says what to make.
type Config struct {
	Admin    store.Connection // a superuser's, to an existing database such as postgres
	Host     string           // of PostgreSQL as workers reach it
	Port     int              //
	Separate bool             // a database for each of config, rbac and crypto, rather than a schema each in one

	Secrets          role.SecretsBoot // of the sandbox: the same at each run
	MasterPassphrase string           // of the master key root1; kept as secrets in the configuration
	MasterSalt       string           //
	AdminLogin       string           // of the first REST user
	AdminPassword    string           //
	Passwords        Passwords        // of the databases' users: the same at each run
	Now              time.Time        // for the time stamps of rows

	// Prefix is put before the names of databases and of roles, so that several clusters can share a server. Empty in a
	// sandbox, which has a server of its own.
	Prefix string
}

// Passwords are those of the databases' users that log in.
type Passwords struct {
	ConfigUser   string `json:"configUser"`
	ConfigReader string `json:"configReader"`
	RBACUser     string `json:"rbacUser"`
	CryptoUser   string `json:"cryptoUser"`
	VNodeAdmin   string `json:"vnodeAdmin"`
}

// passwordLength of the databases' users.
const passwordLength = 32

// NewPasswords makes random ones.
func NewPasswords() Passwords {
	n := func() string { return keys.RandomPassword(passwordLength) }
	return Passwords{ConfigUser: n(), ConfigReader: n(), RBACUser: n(), CryptoUser: n(), VNodeAdmin: n()}
}

// String keeps the passwords out of anything that prints the value.
func (Passwords) String() string { return keys.Mask }

// GoString is String.
func (Passwords) GoString() string { return keys.Mask }

// Result is how the databases are reached.
type Result struct {
	Config       store.Connection // for database workers
	ConfigReader store.Connection // for crypto workers: can read the connections, nothing else
	RBAC         store.Connection // these three are rows of the config database too
	Crypto       store.Connection
	VirtualNodes store.Connection
}

// Topics makes every topic of a cluster in one request; those that exist are left as they are.
func Topics(ctx context.Context, c bus.Config, partitions int, replication int16) error {
	return bus.CreateTopics(ctx, c, record.Topics(), partitions, replication)
}

// Databases makes the databases, their users, rights, tables and first rows. progress is called with the name of each
// step as it begins. Several callers at once wait for each other.
//
// Errors are *[store.MigrationError] or *[SecretsError] if the databases are not of this program or sandbox.
func Databases(ctx context.Context, c Config, progress func(step string)) (Result, error) {
	if err := c.validate(); err != nil {
		return Result{}, fmt.Errorf("bootstrap the databases: %w", err)
	}
	r := newRun(c)
	defer r.close()
	if err := r.all(ctx, progress); err != nil {
		return Result{}, fmt.Errorf("bootstrap the databases: %w", err)
	}
	return r.result(), nil
}

func (c Config) validate() error {
	var faults []error
	for name, value := range map[string]string{
		"the host": c.Host, "the secrets passphrase": c.Secrets.Passphrase, "the secrets salt": c.Secrets.Salt,
		"the master passphrase": c.MasterPassphrase, "the master salt": c.MasterSalt,
		"the login of the first user": c.AdminLogin, "the password of the first user": c.AdminPassword,
		"the password of config_user": c.Passwords.ConfigUser, "the password of config_reader": c.Passwords.ConfigReader,
		"the password of rbac_user": c.Passwords.RBACUser, "the password of crypto_user": c.Passwords.CryptoUser,
		"the password of vnode_admin": c.Passwords.VNodeAdmin,
	} {
		if value == "" {
			faults = append(faults, fmt.Errorf("%s is missing", name))
		}
	}
	if c.Port <= 0 || c.Port > 65535 {
		faults = append(faults, fmt.Errorf("the port %d is not from 1 to 65535", c.Port))
	}
	if c.Now.IsZero() {
		faults = append(faults, errors.New("the time is missing"))
	}
	return errors.Join(faults...)
}

// connection is that of a user to one of the cluster's databases.
func (c Config) connection(database, schema, user, password string) store.Connection {
	url := store.JDBC{Host: c.Host, Port: c.Port, Database: database, Schema: schema}
	return store.Connection{JDBCURL: url.String(), User: c.Prefix + user, Password: password, PoolSize: poolSize}
}

// poolSize of the cluster's connections. Source: Corda 5.0's chart.
const poolSize = 5
