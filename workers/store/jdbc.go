package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ErrJDBCURL is wrapped by every error of [ParseJDBC].
var ErrJDBCURL = errors.New("not a usable JDBC URL of PostgreSQL")

// JDBC is a parsed JDBC URL.
type JDBC struct {
	Host     string // without brackets, if it is an IPv6 address
	Port     int
	Database string
	Schema   string // currentSchema, as given; empty if none. The server folds it to lower case.
	SSLMode  string // sslmode, as given; empty if none

	rewriteInserts bool // reWriteBatchedInserts=true, which only Java drivers heed
}

const jdbcPrefix = "jdbc:postgresql:"

// ParseJDBC reads a URL as PostgreSQL's JDBC driver does: jdbc:postgresql://HOST:PORT/DATABASE?currentSchema=SCHEMA, where
// host and port may be left out. Parameters that only shape the Java driver's own work are passed over. Refused are
// those which would be unsafe to pass over: credentials in the URL, which would show in logs, and files.
//
// Errors wrap [ErrJDBCURL] and do not show the URL's parameters.
func ParseJDBC(text string) (JDBC, error) {
	fail := func(why string, args ...any) (JDBC, error) {
		return JDBC{}, fmt.Errorf("%w: %s", ErrJDBCURL, fmt.Sprintf(why, args...))
	}
	if len(text) > 2048 {
		return fail("it is %d characters long, at most 2048 allowed", len(text))
	}
	rest, ok := strings.CutPrefix(text, jdbcPrefix)
	if !ok {
		return fail("it does not begin with %s//", jdbcPrefix)
	}
	rest, query, _ := strings.Cut(rest, "?")
	j := JDBC{Host: "localhost", Port: 5432}
	if server, ok := strings.CutPrefix(rest, "//"); ok {
		server, database, _ := strings.Cut(server, "/")
		rest = database
		if err := j.readServer(server); err != nil {
			return fail("%v", err)
		}
	}
	name, err := url.PathUnescape(rest)
	switch {
	case err != nil || strings.ContainsAny(name, "/\x00"):
		return fail("the name of the database cannot be read")
	case name == "":
		return fail("it names no database")
	}
	j.Database = name
	if err := j.readParameters(query); err != nil {
		return fail("%v", err)
	}
	return j, nil
}

func (j *JDBC) readServer(server string) error {
	switch {
	case server == "":
		return nil
	case strings.Contains(server, ","):
		return errors.New("it names several servers, of which there can be only one")
	case strings.Contains(server, "@"):
		return errors.New("it holds credentials, which belong into user and pass")
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil { // there is no port, or the address is malformed
		host, port = strings.TrimSuffix(strings.TrimPrefix(server, "["), "]"), ""
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return fmt.Errorf("the server %q cannot be read", server)
		}
	}
	if strings.ContainsAny(host, "/%[]\x00 ") {
		return fmt.Errorf("the host %q cannot be read", host)
	}
	if host != "" {
		j.Host = host
	}
	if port == "" {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("the port %q is not a number from 1 to 65535", port)
	}
	j.Port = int(n)
	return nil
}

// unsafeParameters cannot be passed over: the connection would be less safe than its URL says, or would leak.
var unsafeParameters = []string{ //nolint:gochecknoglobals // a table of constants
	"user", "password", "ssl", "sslcert", "sslkey", "sslrootcert", "sslpassword", "sslfactory", "sslhostnameverifier",
	"sslpasswordcallback", "socketFactory", "authenticationPluginClassName", "options",
}

func (j *JDBC) readParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("its parameters cannot be read")
	}
	for name, given := range values {
		value := given[len(given)-1]
		switch {
		case slices.Contains(unsafeParameters, name):
			return fmt.Errorf("the parameter %s is not supported", name)
		case name == "currentSchema":
			if strings.ContainsRune(value, 0) {
				return errors.New("currentSchema holds a NUL character")
			}
			j.Schema = value
		case name == "sslmode":
			if !slices.Contains([]string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, value) {
				return fmt.Errorf("sslmode is %q", value)
			}
			j.SSLMode = value
		case name == "reWriteBatchedInserts":
			j.rewriteInserts = value == "true"
		}
	}
	return nil
}

// String is the URL in one form: the same database has the same text.
func (j JDBC) String() string {
	var parameters []string
	if j.Schema != "" {
		parameters = append(parameters, "currentSchema="+url.QueryEscape(j.Schema))
	}
	if j.SSLMode != "" {
		parameters = append(parameters, "sslmode="+j.SSLMode)
	}
	if j.rewriteInserts {
		parameters = append(parameters, "reWriteBatchedInserts=true")
	}
	text := jdbcPrefix + "//" + net.JoinHostPort(j.Host, strconv.Itoa(j.Port)) + "/" + url.PathEscape(j.Database)
	if len(parameters) > 0 {
		text += "?" + strings.Join(parameters, "&")
	}
	return text
}
