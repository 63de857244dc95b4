// Package access decides who may do what over REST: it reads basic credentials, checks passwords, and matches actions
// against permissions. It knows users and permissions, nothing of HTTP answers or of any operation.
//
// Source: Corda 5.0, basic authentication and RBAC of the REST worker. Where it differs is said at each place.
package access

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"

	"github.com/cordage-sandbox/cordage/workers/record"
)

// Errors of [Guard.Authenticate].
var (
	ErrNoCredentials    = errors.New("no credentials, or none that can be read")
	ErrWrongCredentials = errors.New("wrong user or password")
	ErrBusy             = errors.New("too many passwords are being checked")
)

// Directory knows the users and what they may do. Logins are in lower case.
type Directory interface {
	User(login string) (record.User, bool)
	Summary(login string) (record.UserPermissionSummary, bool)
}

// Principal is a user who has proved to be one.
type Principal struct {
	Login string // in lower case
	Typed string // as it was typed
}

// Guard checks credentials and permissions; safe for concurrent use.
type Guard struct {
	directory   Directory
	check       func(hash, salt, password string) bool
	logons      *logons
	gate        *gate
	expressions *expressions
	log         *slog.Logger
}

// NewGuard makes a guard. check tells whether a password has a hash; it takes long on purpose, so only some calls of it
// run at a time.
func NewGuard(d Directory, check func(hash, salt, password string) bool, log *slog.Logger) *Guard {
	return &Guard{d, check, newLogons(), newGate(), newExpressions(), log}
}

// Authenticate finds the user whom an Authorization header names. A user who is disabled passes, and then may do nothing;
// the expiry of a password is not looked at: both as in Corda 5.0.
//
// Errors: [ErrNoCredentials], [ErrWrongCredentials], [ErrBusy], or the context's.
func (g *Guard) Authenticate(ctx context.Context, header string) (Principal, error) {
	typed, password, ok := basic(header)
	if !ok {
		return Principal{}, ErrNoCredentials
	}
	who := Principal{strings.ToLower(typed), typed}
	user, known := g.directory.User(who.Login)
	if !known || user.HashedPassword == "" {
		// As slow as a known user's, so that the time does not tell who exists.
		user, known = record.User{HashedPassword: "-", SaltValue: noSalt}, false
	}
	key := g.logons.key(who.Login, password, user)
	if verdict, ok := g.logons.get(key); ok {
		return who, verdict
	}
	bucket := who.Login
	if !known {
		bucket = "" // made-up names share one
	}
	leave, err := g.gate.enter(ctx, bucket)
	if err != nil {
		return Principal{}, err
	}
	defer leave()
	if verdict, ok := g.logons.get(key); ok { // found by whoever was in the gate before
		return who, verdict
	}
	var verdict error
	if right := g.check(user.HashedPassword, user.SaltValue, password); !right || !known {
		verdict = ErrWrongCredentials
	}
	g.logons.put(key, verdict)
	return who, verdict
}

// noSalt stands for the salt of a user who does not exist: as long as a real one.
var noSalt = strings.Repeat("0", 100) //nolint:gochecknoglobals // a constant

// basic reads an Authorization header. The scheme must be spelled Basic.
func basic(header string) (login, password string, ok bool) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return "", "", false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	login, password, ok = strings.Cut(string(plain), ":")
	return login, password, ok && login != "" && password != ""
}

// Allowed tells whether a user may do something. An action has two spellings: as it was sent, and as it is understood,
// which differ where the sender has encoded more than needed. What is denied in either spelling is denied; it must be
// allowed as it was sent. (Corda 5.0 looks only at what was sent, so that a denial can be evaded by encoding a letter.)
//
// Any denial wins; else any allowance allows; else it is denied. An expression that cannot be evaluated (see
// [Compile]) denies everything if it is a denial, and allows nothing otherwise.
func (g *Guard) Allowed(ctx context.Context, who Principal, sent, understood string) bool {
	summary, ok := g.directory.Summary(who.Login)
	if !ok || !summary.Enabled {
		return false
	}
	if user, ok := g.directory.User(who.Login); !ok || !user.Enabled {
		return false
	}
	allowed := false
	for _, p := range summary.Permissions {
		expression, err := g.expressions.get(p.String)
		if err != nil {
			g.log.WarnContext(ctx, "a permission cannot be evaluated: if it denies, everything is denied; if it allows, it is ignored",
				"permission", p.ID, "type", p.Type, "error", err)
			if p.Type != record.Allow {
				return false
			}
			continue
		}
		if p.Type != record.Allow {
			if expression.MatchString(sent) || expression.MatchString(understood) {
				return false
			}
			continue
		}
		allowed = allowed || expression.MatchString(sent)
	}
	return allowed
}
