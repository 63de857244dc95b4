package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cordage-sandbox/cordage/workers/store"
)

func TestParseJDBC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]store.JDBC{
		"jdbc:postgresql://db:5433/cordacluster?currentSchema=CONFIG": {Host: "db", Port: 5433, Database: "cordacluster", Schema: "CONFIG"},
		"jdbc:postgresql://db/x":                                    {Host: "db", Port: 5432, Database: "x"},
		"jdbc:postgresql:x":                                         {Host: "localhost", Port: 5432, Database: "x"},
		"jdbc:postgresql:///x":                                      {Host: "localhost", Port: 5432, Database: "x"},
		"jdbc:postgresql://[::1]:5433/x":                            {Host: "::1", Port: 5433, Database: "x"},
		"jdbc:postgresql://[::1]/x":                                 {Host: "::1", Port: 5432, Database: "x"},
		"jdbc:postgresql://db/a%20b?currentSchema=S%26x":            {Host: "db", Port: 5432, Database: "a b", Schema: "S&x"},
		"jdbc:postgresql://db/x?prepareThreshold=3&sslmode=require": {Host: "db", Port: 5432, Database: "x", SSLMode: "require"},
	} {
		got, err := store.ParseJDBC(text)
		if err != nil || got != want {
			t.Errorf("ParseJDBC(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	const rewriting = "jdbc:postgresql://db:5432/x?currentSchema=s&reWriteBatchedInserts=true"
	if got, err := store.ParseJDBC(rewriting); err != nil || got.String() != rewriting {
		t.Errorf("%s is printed as %s, %v", rewriting, got, err)
	}
}

func TestParseJDBCRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                                      "does not begin",
		"postgres://db/x":                                       "does not begin",
		"jdbc:mysql://db/x":                                     "does not begin",
		"jdbc:postgresql://db":                                  "no database",
		"jdbc:postgresql://db/":                                 "no database",
		"jdbc:postgresql://db/a/b":                              "name of the database",
		"jdbc:postgresql://db/%zz":                              "name of the database",
		"jdbc:postgresql://a:1,b:2/x":                           "several servers",
		"jdbc:postgresql://user:secret@db/x":                    "credentials",
		"jdbc:postgresql://db:0/x":                              "port",
		"jdbc:postgresql://db:65536/x":                          "port",
		"jdbc:postgresql://db:x/x":                              "port",
		"jdbc:postgresql://a:b:c/x":                             "server",
		"jdbc:postgresql://db/x?password=secret":                "password is not supported",
		"jdbc:postgresql://db/x?sslcert=/etc/key":               "sslcert is not supported",
		"jdbc:postgresql://db/x?options=-c":                     "options is not supported",
		"jdbc:postgresql://db/x?sslmode=maybe":                  "sslmode",
		"jdbc:postgresql://db/x?%zz":                            "parameters",
		"jdbc:postgresql://" + strings.Repeat("a", 2100) + "/x": "long",
	} {
		_, err := store.ParseJDBC(text)
		if !errors.Is(err, store.ErrJDBCURL) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseJDBC(%.60q) error = %v; want ErrJDBCURL saying %q", text, err, want)
		}
	}
}

// FuzzParseJDBC: what parses prints a URL that parses to the same.
func FuzzParseJDBC(f *testing.F) {
	f.Add("jdbc:postgresql://db:5433/cordacluster?currentSchema=CONFIG&reWriteBatchedInserts=true")
	f.Add("jdbc:postgresql://[fe80::1%25eth0]:1/a%2Fb")
	f.Add("jdbc:postgresql:x?sslmode=verify-full")
	f.Fuzz(func(t *testing.T, text string) {
		j, err := store.ParseJDBC(text)
		if err != nil {
			return
		}
		again, err := store.ParseJDBC(j.String())
		if err != nil || again != j {
			t.Errorf("%q → %+v → %q → %+v, %v", text, j, j, again, err)
		}
	})
}

func TestConnectionText(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	c := store.Connection{JDBCURL: "jdbc:postgresql://db:5432/cordacluster?currentSchema=RBAC&reWriteBatchedInserts=true", User: "rbac_user", Password: `p'"\ä`, PoolSize: 7}
	text, err := c.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, c.Password) || !strings.HasPrefix(text, `{"database":{"jdbc":{"url":"`+c.JDBCURL+`"},"pass":{"configSecret":{"encryptedSecret":"`) ||
		!strings.HasSuffix(text, `"}},"user":"rbac_user","pool":{"max_size":7}}}`) {
		t.Errorf("text is %s, want Corda's order of keys", text)
	}
	if got, err := store.ParseConnection(text, s); err != nil || got != c {
		t.Errorf("comes back as %+v, %v; want %+v", got, err, c)
	}
	plain := `{"database":{"jdbc":{"url":"jdbc:postgresql://db/x"},"pass":"plain","user":"u","other":1}}`
	if got, err := store.ParseConnection(plain, s); err != nil || got.Password != "plain" || got.User != "u" {
		t.Errorf("a plain password: %+v, %v", got, err)
	}
}

func TestConnectionTextRefuses(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	for name, tc := range map[string]struct {
		text string
		want []string // all of them in one error
	}{
		"not JSON":       {`secret`, []string{"syntax error at byte 1"}},
		"wrong type":     {`{"database":{"user":7,"pass":"secret"}}`, []string{"database.user must not be a JSON number"}},
		"empty":          {`{}`, []string{"database.jdbc.url", "database.user"}},
		"every fault":    {`{"database":{"jdbc":{"url":"x"},"pass":{"configSecret":{"encryptedSecret":"secret"}},"user":" ","pool":{"max_size":-1}}}`, []string{"database.jdbc.url", "database.user", "database.pass", "database.pool.max_size"}},
		"foreign secret": {`{"database":{"jdbc":{"url":"jdbc:postgresql:x"},"pass":{"configSecret":{"encryptedSecret":"AAECAwQFBgcICQoLDDu2TZ5b/o7tp4NAkJ8QBpPR8pic/7ijBgC1X1Li"}},"user":"u"}}`, []string{"another passphrase"}},
		"too long":       {`{"x":"` + strings.Repeat("a", 20_000) + `"}`, []string{"at most"}},
	} {
		_, err := store.ParseConnection(tc.text, s)
		if !errors.Is(err, store.ErrConnection) || strings.Contains(strings.ReplaceAll(err.Error(), "the secret cannot", ""), "secret\"") {
			t.Errorf("%s: error = %v, want ErrConnection without the text", name, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q does not say %q", name, err, want)
			}
		}
	}
}
