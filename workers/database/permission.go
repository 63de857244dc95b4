package database

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordage-sandbox/cordage/workers/clock"
	"github.com/cordage-sandbox/cordage/workers/record"
)

// permissions says what belongs on the topics of users, groups, roles, permissions and permission summaries: all that the
// rest workers need to know of who may do what. Rows are removed from the RBAC tables for good, so what the tables do not
// hold is removed from the topics.
//
// Changes to users and roles over REST are not covered: the tables are as the bootstrap or an administrator wrote them.
type permissions struct {
	rbac  *pgxpool.Pool
	clock *clock.Clock
}

// rbacState is one consistent read of the RBAC tables.
type rbacState struct {
	users       []record.User
	groups      []record.Group
	roles       []record.Role
	permissions []record.Permission
}

// read takes all tables in one snapshot: a summary never mixes two states.
func (p *permissions) read(ctx context.Context) (rbacState, error) {
	var s rbacState
	err := pgx.BeginTxFunc(ctx, p.rbac, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		if s.users, err = collect(ctx, tx, scanUser, `
			SELECT id, version, update_ts, full_name, login_name, enabled, coalesce(hashed_password, ''), coalesce(salt_value, ''),
				password_expiry, parent_group,
				ARRAY(SELECT role_id FROM rbac_role_user_rel r WHERE r.user_id = u.id ORDER BY role_id)
			FROM rbac_user u`); err != nil {
			return err
		}
		if s.groups, err = collect(ctx, tx, scanGroup, `
			SELECT id, version, update_ts, name, parent_group,
				ARRAY(SELECT role_id FROM rbac_role_group_rel r WHERE r.group_id = g.id ORDER BY role_id)
			FROM rbac_group g`); err != nil {
			return err
		}
		if s.roles, err = collect(ctx, tx, scanRole, `
			SELECT id, version, update_ts, name, group_vis,
				ARRAY(SELECT perm_id FROM rbac_role_perm_rel r WHERE r.role_id = o.id ORDER BY perm_id)
			FROM rbac_role o`); err != nil {
			return err
		}
		s.permissions, err = collect(ctx, tx, scanPermission, `
			SELECT id, version, update_ts, group_vis, virtual_node, perm_type, perm_string FROM rbac_perm`)
		return err
	})
	if err != nil {
		return rbacState{}, fmt.Errorf("read users and permissions: %w", err)
	}
	return s, nil
}

func collect[V any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[V], query string) ([]V, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func scanUser(row pgx.CollectableRow) (u record.User, err error) {
	err = row.Scan(&u.ID, &u.Version, &u.LastChange, &u.FullName, &u.LoginName, &u.Enabled, &u.HashedPassword, &u.SaltValue,
		&u.PasswordExpiry, &u.ParentGroupID, &u.RoleIDs)
	return u, err
}

func scanGroup(row pgx.CollectableRow) (g record.Group, err error) {
	err = row.Scan(&g.ID, &g.Version, &g.LastChange, &g.Name, &g.ParentGroupID, &g.RoleIDs)
	return g, err
}

func scanRole(row pgx.CollectableRow) (r record.Role, err error) {
	err = row.Scan(&r.ID, &r.Version, &r.LastChange, &r.Name, &r.GroupVisible, &r.PermissionIDs)
	return r, err
}

func scanPermission(row pgx.CollectableRow) (p record.Permission, err error) {
	err = row.Scan(&p.ID, &p.Version, &p.LastChange, &p.GroupVisible, &p.VirtualNode, &p.Type, &p.String)
	return p, err
}

// userKey is the key of a user and of its summary.
func userKey(login string) string { return strings.ToLower(login) }

// summaries works out what every user may and may not do: the permissions of its roles, and of the roles of the groups
// above it; what is denied comes first.
//
// Source: Corda 5.0, PermissionSummary reconciliation.
func (s rbacState) summaries() map[string]record.UserPermissionSummary {
	groups, roles := byID(s.groups, func(g record.Group) string { return g.ID }), byID(s.roles, func(r record.Role) string { return r.ID })
	known := byID(s.permissions, func(p record.Permission) string { return p.ID })

	all := make(map[string]record.UserPermissionSummary, len(s.users))
	for _, u := range s.users {
		summary := record.UserPermissionSummary{LoginName: u.LoginName, Enabled: u.Enabled, LastUpdate: u.LastChange}
		held := slices.Clone(u.RoleIDs)
		seen := map[string]bool{} // a ring of groups, which the table does not forbid, ends here
		for id := u.ParentGroupID; id != nil && !seen[*id]; id = groups[*id].ParentGroupID {
			seen[*id] = true
			held = append(held, groups[*id].RoleIDs...)
		}
		given := map[string]bool{}
		for _, roleID := range held {
			for _, id := range roles[roleID].PermissionIDs {
				p, ok := known[id]
				if !ok || given[id] {
					continue
				}
				given[id] = true
				summary.Permissions = append(summary.Permissions, record.SummaryPermission{
					ID: p.ID, GroupVisible: p.GroupVisible, VirtualNode: p.VirtualNode, Type: p.Type, String: p.String})
			}
		}
		slices.SortFunc(summary.Permissions, func(a, b record.SummaryPermission) int {
			return cmp.Or(-cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID)) // DENY before ALLOW
		})
		all[userKey(u.LoginName)] = summary
	}
	return all
}

func byID[V any](values []V, id func(V) string) map[string]V {
	m := make(map[string]V, len(values))
	for _, v := range values {
		m[id(v)] = v
	}
	return m
}

// rbacEntries are the entries of one RBAC topic: pick gives its values and key the key of one. Two values are the same if
// their JSON text is.
func rbacEntries[V any](p *permissions, pick func(rbacState) []V, key func(V) string) func(context.Context) ([]entry[V], error) {
	return func(ctx context.Context) ([]entry[V], error) {
		s, err := p.read(ctx)
		if err != nil {
			return nil, err
		}
		var entries []entry[V]
		for _, v := range pick(s) {
			text := record.Key(v)
			entries = append(entries, entry[V]{
				key:     key(v),
				current: func(published V) bool { return record.Key(published) == text },
				value:   func(context.Context) (V, error) { return v, nil },
			})
		}
		return entries, nil
	}
}

// summaryEntries are the entries of permissions.user.summary. The time of the last update does not count as a difference.
func (p *permissions) summaryEntries(ctx context.Context) ([]entry[record.UserPermissionSummary], error) {
	s, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	var entries []entry[record.UserPermissionSummary]
	for key, summary := range s.summaries() {
		entries = append(entries, entry[record.UserPermissionSummary]{
			key: key,
			current: func(published record.UserPermissionSummary) bool {
				published.LastUpdate = summary.LastUpdate
				return record.Key(published) == record.Key(summary)
			},
			value: func(context.Context) (record.UserPermissionSummary, error) {
				summary.LastUpdate = p.clock.Now()
				return summary, nil
			},
		})
	}
	return entries, nil
}
