package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Parts of permission strings, which are regular expressions over METHOD:PATH. Source: Corda 5.0's initial roles.
const (
	api       = ":/api/v1/"
	reUUID    = "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[1-5][a-fA-F0-9]{3}-[89aAbB][a-fA-F0-9]{3}-[a-fA-F0-9]{12}"
	reHash    = "[a-fA-F0-9]{12}"
	reState   = "[_a-zA-Z0-9]{3,255}"
	reUser    = "[-._a-zA-Z0-9]{3,200}[%40]{0,3}[-._a-zA-Z0-9]{0,50}"
	adminRole = "Default System Admin"
	adminName = "Default Admin"
)

// firstRole is a role that exists from the start; its permissions allow.
type firstRole struct {
	name        string
	permissions []string
}

// firstRoles are the administrator's role and those that Corda 5.0's installation adds over REST.
func firstRoles() []firstRole {
	return []firstRole{
		{adminRole, []string{".*"}},
		{"UserAdminRole", []string{
			"POST" + api + "user",
			"GET" + api + `user\?loginName=` + reUser,
			"PUT" + api + "user/" + reUser + "/role/" + reUUID,
			"DELETE" + api + "user/" + reUser + "/role/" + reUUID,
			"GET" + api + "user/" + reUser + "/permissionSummary",
			"POST" + api + "permission",
			"POST" + api + "permission/bulk",
			"GET" + api + `permission\?.*`,
			"GET" + api + "permission/" + reUUID,
			"GET" + api + "role",
			"POST" + api + "role",
			"GET" + api + "role/" + reUUID,
			"PUT" + api + "role/" + reUUID + "/permission/" + reUUID,
			"DELETE" + api + "role/" + reUUID + "/permission/" + reUUID,
		}},
		{"VNodeCreatorRole", []string{
			"GET" + api + "cpi",
			"POST" + api + "cpi",
			"GET" + api + "cpi/status/" + reUUID,
			"POST" + api + "virtualnode",
			"GET" + api + "virtualnode",
			"GET" + api + "virtualnode/" + reHash,
			"PUT" + api + "virtualnode/" + reHash,
			"PUT" + api + "virtualnode/" + reHash + "/state/" + reState,
		}},
		{"CordaDeveloperRole", []string{
			"POST" + api + "maintenance/virtualnode/forcecpiupload",
			"POST" + api + "maintenance/virtualnode/" + reHash + "/vault-schema/force-resync",
		}},
	}
}

// seedMark is the row of the change log that tells that the first user and roles have been made: who changes or removes
// them later does not get them back.
const seedMark = "first-user-and-roles"

// firstUser makes the administrator and the first roles, once, in one transaction and one round trip. Its commit is the
// last of a run, and takes all before it to the disk.
func (r *run) firstUser(ctx context.Context) error {
	conn := r.conns[r.at.rbac]
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = rbac; SET LOCAL synchronous_commit = on", pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		var done bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM databasechangelog WHERE id = $1 AND author = $2)",
			seedMark, setupActor).Scan(&done); err != nil {
			return err
		}
		if done {
			// Only the commit of what wrote something takes the run's earlier commits to the disk.
			_, err := tx.Exec(ctx, "SELECT pg_logical_emit_message(true, 'cordage', 'bootstrap')")
			return err
		}
		return r.seed(r.c.Now.UTC()).send(ctx, tx)
	})
}

// seed collects the rows to insert, by table.
func (r *run) seed(now time.Time) *seed {
	s := &seed{now: now}
	userID, password := uuid.NewString(), r.derived.password()
	s.add("rbac_user", []string{"id", "update_ts", "version", "full_name", "login_name", "enabled", "salt_value", "hashed_password"},
		userID, now, 0, adminName, r.c.AdminLogin, true, password.salt, password.hash)
	s.audit("USER_INSERT")
	for _, role := range firstRoles() {
		roleID := uuid.NewString()
		s.add("rbac_role", []string{"id", "update_ts", "version", "name"}, roleID, now, 0, role.name)
		s.audit("ROLE_INSERT")
		for _, permission := range role.permissions {
			id := uuid.NewString()
			s.add("rbac_perm", []string{"id", "update_ts", "version", "perm_type", "perm_string"}, id, now, 0, "ALLOW", permission)
			s.audit("PERMISSION_INSERT")
			s.add("rbac_role_perm_rel", []string{"id", "update_ts", "role_id", "perm_id"}, uuid.NewString(), now, roleID, id)
			s.audit("ADD_PERMISSION_TO_ROLE")
		}
		if role.name == adminRole {
			s.add("rbac_role_user_rel", []string{"id", "update_ts", "user_id", "role_id"}, uuid.NewString(), now, userID, roleID)
			s.audit("ADD_ROLE_TO_USER")
		}
	}
	s.add("databasechangelog", []string{"id", "author", "filename", "dateexecuted", "orderexecuted", "exectype"},
		seedMark, setupActor, "bootstrap", now, 1000, "EXECUTED")
	return s
}

type seed struct {
	now   time.Time
	batch pgx.Batch
}

// add queues a row; the names are ours.
func (s *seed) add(table string, columns []string, values ...any) {
	names, marks := "", ""
	for i, c := range columns {
		if i > 0 {
			names, marks = names+", ", marks+", "
		}
		names, marks = names+c, marks+fmt.Sprintf("$%d", i+1)
	}
	s.batch.Queue("INSERT INTO "+table+" ("+names+") VALUES ("+marks+")", values...)
}

func (s *seed) audit(change string) {
	s.add("rbac_change_audit", []string{"id", "update_ts", "actor_user", "change_type", "details"},
		uuid.NewString(), s.now, setupActor, change, "Automated initial set-up")
}

func (s *seed) send(ctx context.Context, tx pgx.Tx) error {
	return tx.SendBatch(ctx, &s.batch).Close()
}
