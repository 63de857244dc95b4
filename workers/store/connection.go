package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/keys"
)

// ErrConnection is wrapped by every error of [ParseConnection].
var ErrConnection = errors.New("not a usable database connection")

// Connection says how to reach a database, with what rights (its user's) and with how many connections at most.
type Connection struct {
	JDBCURL  string // see [ParseJDBC]
	User     string
	Password string
	PoolSize int // most connections of one pool; 0 means 5
}

// String leaves the password out.
func (c Connection) String() string {
	return fmt.Sprintf("%s as %s", c.JDBCURL, c.User)
}

// GoString leaves the password out.
func (c Connection) GoString() string { return c.String() }

// connectionJSON is the text of db_connection.config. Source: Corda 5.0, order of keys included.
type connectionJSON struct {
	Database struct {
		JDBC struct {
			URL string `json:"url"`
		} `json:"jdbc"`
		Pass json.RawMessage `json:"pass"`
		User string          `json:"user"`
		Pool struct {
			MaxSize int `json:"max_size"`
		} `json:"pool"`
	} `json:"database"`
}

// maxConnectionText bounds the JSON text of a connection, in bytes.
const maxConnectionText = 16 << 10

// ParseConnection reads the JSON text of a connection:
//
//	{"database":{"jdbc":{"url":URL},"pass":PASSWORD,"user":USER,"pool":{"max_size":N}}}
//
// where PASSWORD is a string or a secret. Errors wrap [ErrConnection] and show neither the text nor the password.
func ParseConnection(text string, s *keys.Secrets) (Connection, error) {
	if len(text) > maxConnectionText {
		return Connection{}, fmt.Errorf("%w: its JSON is %d bytes long, at most %d allowed", ErrConnection, len(text), maxConnectionText)
	}
	var j connectionJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return Connection{}, fmt.Errorf("%w: it is not JSON of the right shape: %w", ErrConnection, jsonFault(err))
	}
	d := j.Database
	var faults []error
	if _, err := ParseJDBC(d.JDBC.URL); err != nil {
		faults = append(faults, fmt.Errorf("database.jdbc.url: %w", err))
	}
	if strings.TrimSpace(d.User) == "" || strings.ContainsRune(d.User, 0) {
		faults = append(faults, errors.New("database.user: it is missing"))
	}
	if d.Pool.MaxSize < 0 || d.Pool.MaxSize > 1000 {
		faults = append(faults, fmt.Errorf("database.pool.max_size: %d is not from 1 to 1000", d.Pool.MaxSize))
	}
	var password string
	if len(d.Pass) > 0 {
		var err error
		if password, err = s.Reveal(d.Pass); err != nil {
			faults = append(faults, fmt.Errorf("database.pass: %w", err))
		}
	}
	if len(faults) > 0 {
		return Connection{}, fmt.Errorf("%w: %w", ErrConnection, errors.Join(faults...))
	}
	return Connection{JDBCURL: d.JDBC.URL, User: d.User, Password: password, PoolSize: d.Pool.MaxSize}, nil
}

// jsonFault is what is wrong with a JSON text, without any of its content.
func jsonFault(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s must not be a JSON %s", kind.Field, kind.Value)
	}
	return errors.New("it cannot be read")
}

// Encode gives the JSON text of the connection, with its password as a secret.
func (c Connection) Encode(s *keys.Secrets) (string, error) {
	pass, err := s.Hide(c.Password)
	if err != nil {
		return "", fmt.Errorf("encode connection %v: %w", c, err)
	}
	var j connectionJSON
	j.Database.JDBC.URL, j.Database.User, j.Database.Pass, j.Database.Pool.MaxSize = c.JDBCURL, c.User, pass, c.poolSize()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the & of a URL stays one
	if err := e.Encode(j); err != nil {
		return "", fmt.Errorf("encode connection %v: %w", c, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// defaultPoolSize is that of Corda 5.0's bootstrap.
const defaultPoolSize = 5

func (c Connection) poolSize() int {
	if c.PoolSize <= 0 {
		return defaultPoolSize
	}
	return c.PoolSize
}
