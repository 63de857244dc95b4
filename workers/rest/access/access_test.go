package access_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordage-sandbox/cordage/workers/record"
	"github.com/cordage-sandbox/cordage/workers/rest/access"
)

// directory is a Directory in memory: what package rest reads from the bus.
type directory struct {
	mu        sync.Mutex
	users     map[string]record.User
	summaries map[string]record.UserPermissionSummary
}

func (d *directory) User(login string) (record.User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[login]
	return u, ok
}

func (d *directory) Summary(login string) (record.UserPermissionSummary, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.summaries[login]
	return s, ok
}

func (d *directory) add(login, password string, enabled bool, permissions ...record.SummaryPermission) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[login] = record.User{LoginName: login, Enabled: enabled, HashedPassword: password, SaltValue: "s"}
	d.summaries[login] = record.UserPermissionSummary{LoginName: login, Enabled: enabled, Permissions: permissions}
}

func newDirectory() *directory {
	return &directory{users: map[string]record.User{}, summaries: map[string]record.UserPermissionSummary{}}
}

func allow(expression string) record.SummaryPermission {
	return record.SummaryPermission{ID: expression, Type: record.Allow, String: expression}
}

func deny(expression string) record.SummaryPermission {
	return record.SummaryPermission{ID: expression, Type: record.Deny, String: expression}
}

// plain stands for the slow hash: here the hash of a password is the password.
func plain(hash, _, password string) bool { return hash == password }

func header(login, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+password))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.add("alice", "pa:ss", true)
	d.add("disabled", "x", false)
	d.add("sso", "", true)
	for name, tc := range map[string]struct {
		header string
		who    access.Principal
		err    error
	}{
		"right":                {header("alice", "pa:ss"), access.Principal{Login: "alice", Typed: "alice"}, nil},
		"any case of the name": {header("aLiCe", "pa:ss"), access.Principal{Login: "alice", Typed: "aLiCe"}, nil},
		"disabled":             {header("disabled", "x"), access.Principal{Login: "disabled", Typed: "disabled"}, nil},
		"wrong password":       {header("alice", "other"), access.Principal{}, access.ErrWrongCredentials},
		"case of the password": {header("alice", "PA:SS"), access.Principal{}, access.ErrWrongCredentials},
		"unknown user":         {header("bob", "x"), access.Principal{}, access.ErrWrongCredentials},
		"unknown user, -":      {header("bob", "-"), access.Principal{}, access.ErrWrongCredentials},
		"no password stored":   {header("sso", "-"), access.Principal{}, access.ErrWrongCredentials},
		"no header":            {"", access.Principal{}, access.ErrNoCredentials},
		"bearer":               {"Bearer abc", access.Principal{}, access.ErrNoCredentials},
		"lower-case scheme":    {"basic " + header("alice", "pa:ss")[6:], access.Principal{}, access.ErrNoCredentials},
		"not base64":           {"Basic ###", access.Principal{}, access.ErrNoCredentials},
		"no colon":             {"Basic " + base64.StdEncoding.EncodeToString([]byte("alice")), access.Principal{}, access.ErrNoCredentials},
		"empty password":       {header("alice", ""), access.Principal{}, access.ErrNoCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := access.NewGuard(d, plain, slog.New(slog.DiscardHandler))
			for range 2 { // the second time from what is remembered
				who, err := g.Authenticate(t.Context(), tc.header)
				if !errors.Is(err, tc.err) || err == nil && who != tc.who {
					t.Fatalf("Authenticate = %+v, %v; want %+v, %v", who, err, tc.who, tc.err)
				}
			}
		})
	}
}

func TestVerdictsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.add("alice", "old", true)
		var checks atomic.Int32
		g := access.NewGuard(d, func(hash, salt, password string) bool {
			checks.Add(1)
			return plain(hash, salt, password)
		}, slog.New(slog.DiscardHandler))
		logon := func(password string, want error, wantChecks int32) {
			t.Helper()
			if _, err := g.Authenticate(t.Context(), header("alice", password)); !errors.Is(err, want) {
				t.Fatalf("logon with %q: %v, want %v", password, err, want)
			}
			if n := checks.Load(); n != wantChecks {
				t.Fatalf("logon with %q: %d checks so far, want %d", password, n, wantChecks)
			}
		}
		logon("old", nil, 1)
		logon("old", nil, 1)
		logon("wrong", access.ErrWrongCredentials, 2)
		logon("wrong", access.ErrWrongCredentials, 2)
		logon("old", nil, 2) // a wrong one in between changes nothing
		d.add("alice", "new", true)
		logon("old", access.ErrWrongCredentials, 3) // at once
		logon("new", nil, 4)
		time.Sleep(11 * time.Minute) // of the bubble's clock
		logon("new", nil, 5)
	})
}

// TestFlood has many more logons at a time than may be checked.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.add("alice", "right", true)
		var running, most, checked atomic.Int32
		g := access.NewGuard(d, func(hash, salt, password string) bool {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			checked.Add(1)
			time.Sleep(20 * time.Millisecond) // of the bubble's clock: as long as the real one
			running.Add(-1)
			return plain(hash, salt, password)
		}, slog.New(slog.DiscardHandler))
		var wait sync.WaitGroup
		var busy atomic.Int32
		for i := range 1000 {
			wait.Go(func() {
				name := "nobody" + strings.Repeat("x", i)
				if _, err := g.Authenticate(t.Context(), header(name, "guess")); errors.Is(err, access.ErrBusy) {
					busy.Add(1)
				} else if !errors.Is(err, access.ErrWrongCredentials) {
					t.Errorf("guess: %v", err)
				}
			})
		}
		synctest.Wait()
		if busy.Load() != 1000-64 {
			t.Errorf("%d of 1000 guesses were turned away, want all but 64", busy.Load())
		}
		start := time.Now()
		if _, err := g.Authenticate(t.Context(), header("alice", "right")); err != nil {
			t.Errorf("a right logon in the flood: %v", err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("a right logon in the flood took %v", took)
		}
		wait.Wait()
		if limit := int32(max(1, runtime.GOMAXPROCS(0)/2)); most.Load() > limit {
			t.Errorf("%d passwords were checked at a time, at most %d may be", most.Load(), limit)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.Authenticate(ctx, header("alice", "guess")); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, access.ErrWrongCredentials) {
			t.Errorf("a client that is gone: %v", err)
		}
	})
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		permissions []record.SummaryPermission
		action      string
		understood  string // empty: as sent
		want        bool
	}{
		"nothing":                    {nil, "GET:/api/v1/cpi", "", false},
		"all":                        {[]record.SummaryPermission{allow(".*")}, "GET:/api/v1/cpi", "", true},
		"exact":                      {[]record.SummaryPermission{allow("GET:/api/v1/cpi")}, "GET:/api/v1/cpi", "", true},
		"any case":                   {[]record.SummaryPermission{allow("get:/API/v1/CPI")}, "GET:/api/v1/cpi", "", true},
		"whole action":               {[]record.SummaryPermission{allow("GET:/api/v1/cpi")}, "GET:/api/v1/cpi/status/x", "", false},
		"alternatives do not escape": {[]record.SummaryPermission{allow("GET:/a|GET:/b")}, "GET:/bcd", "", false},
		"query":                      {[]record.SummaryPermission{allow(`POST:/api/v1/hello\?.*`)}, "POST:/api/v1/hello?addressee=x", "", true},
		"denial wins":                {[]record.SummaryPermission{allow(".*"), deny("PUT:.*")}, "PUT:/api/v1/config", "", false},
		"denial of others":           {[]record.SummaryPermission{deny("PUT:.*"), allow(".*")}, "GET:/api/v1/cpi", "", true},
		"denied as understood": {
			[]record.SummaryPermission{deny("GET:/api/v1/config/corda.rest"), allow(".*")},
			"GET:/api/v1/config/corda%2Erest", "GET:/api/v1/config/corda.rest", false,
		},
		"allowed as sent only": {
			[]record.SummaryPermission{allow("GET:/api/v1/config/corda.rest")},
			"GET:/api/v1/config/corda%2Erest", "GET:/api/v1/config/corda.rest", false,
		},
		"unreadable allowance":        {[]record.SummaryPermission{allow("*")}, "*", "", false},
		"unreadable among others":     {[]record.SummaryPermission{allow("(?=x)"), allow(".*")}, "GET:/x", "", true},
		"unreadable denial":           {[]record.SummaryPermission{deny("(?!GET).*"), allow(".*")}, "GET:/x", "", false},
		"shipped user administration": {[]record.SummaryPermission{allow(`GET:/api/v1/user\?loginName=[-._a-zA-Z0-9]{3,200}[%40]{0,3}[-._a-zA-Z0-9]{0,50}`)}, "GET:/api/v1/user?loginname=first.last%40company.com", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDirectory()
			d.add("alice", "x", true, tc.permissions...)
			g := access.NewGuard(d, plain, slog.New(slog.DiscardHandler))
			understood := tc.understood
			if understood == "" {
				understood = tc.action
			}
			if got := g.Allowed(t.Context(), access.Principal{Login: "alice"}, tc.action, understood); got != tc.want {
				t.Errorf("Allowed(%s) = %v, want %v", tc.action, got, tc.want)
			}
		})
	}
}

func TestDisabledMayNothing(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.add("alice", "x", false, allow(".*"))
	d.add("bob", "x", true, allow(".*"))
	delete(d.summaries, "bob")
	// The two tables are read from two topics: one may be ahead of the other.
	for _, login := range []string{"carol", "dave", "eve"} {
		d.add(login, "x", true, allow(".*"))
	}
	d.users["carol"] = record.User{LoginName: "carol", HashedPassword: "x", SaltValue: "s"}
	delete(d.users, "dave")
	d.summaries["eve"] = record.UserPermissionSummary{LoginName: "eve", Permissions: []record.SummaryPermission{allow(".*")}}
	g := access.NewGuard(d, plain, slog.New(slog.DiscardHandler))
	for _, login := range []string{"alice", "bob", "carol", "dave", "eve", "nobody"} {
		if g.Allowed(t.Context(), access.Principal{Login: login}, "GET:/x", "GET:/x") {
			t.Errorf("%s is allowed something", login)
		}
	}
}

func TestCompileRefusesWhatGoReadsOtherwise(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"*", "(?=a)b", "(?<!a)b", `(a)\1`, "a++", "[a-z&&[^b]]", "[a[bc]]", `\Qa.b\E`, "[]a]", "a)|(?:.*", strings.Repeat("a", 1025), `\`,
	} {
		if re, err := access.Compile(expression); err == nil {
			t.Errorf("Compile(%q) = %v, want an error", expression, re)
		}
	}
	for _, expression := range []string{`[^\]\[]*`, `[a&b]`, `\&&`, `[-._a-zA-Z0-9]{3,200}`, ""} {
		if _, err := access.Compile(expression); err != nil {
			t.Errorf("Compile(%q): %v", expression, err)
		}
	}
}

// FuzzCompile checks that an expression never matches more than itself: the whole action or nothing.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{".*", "GET:/a|b", "(?i)x", "a)|(b", "[a", `\Q`, "(?:"} {
		f.Add(seed, "GET:/api")
	}
	f.Fuzz(func(t *testing.T, expression, action string) {
		re, err := access.Compile(expression)
		if err != nil {
			return
		}
		if loc := re.FindStringIndex(action); loc != nil && (loc[0] != 0 || loc[1] != len(action)) {
			t.Errorf("Compile(%q) matches %v of %q", expression, loc, action)
		}
	})
}
