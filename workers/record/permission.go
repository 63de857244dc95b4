package record

import "time"

// User is a REST user on [TopicUser]; its key is the login name in lower case.
type User struct {
	ID             string     `json:"id"`
	Version        int        `json:"version"`
	LastChange     time.Time  `json:"lastChangeTimestamp"`
	FullName       string     `json:"fullName"`
	LoginName      string     `json:"loginName"`
	Enabled        bool       `json:"enabled"`
	HashedPassword string     `json:"hashedPassword"` // base64 of PBKDF2-HMAC-SHA256, 65,536 rounds, 256 bits; empty: no password
	SaltValue      string     `json:"saltValue"`
	PasswordExpiry *time.Time `json:"passwordExpiry"`
	ParentGroupID  *string    `json:"parentGroupId"`
	RoleIDs        []string   `json:"roleIds"`
}

// Group of users, on [TopicGroup]; its key is the id.
type Group struct {
	ID            string    `json:"id"`
	Version       int       `json:"version"`
	LastChange    time.Time `json:"lastChangeTimestamp"`
	Name          string    `json:"name"`
	ParentGroupID *string   `json:"parentGroupId"`
	RoleIDs       []string  `json:"roleIds"`
}

// Role on [TopicRole]; its key is the id.
type Role struct {
	ID            string    `json:"id"`
	Version       int       `json:"version"`
	LastChange    time.Time `json:"lastChangeTimestamp"`
	Name          string    `json:"name"`
	GroupVisible  *string   `json:"groupVisibility"`
	PermissionIDs []string  `json:"permissionIds"`
}

// PermissionType is ALLOW or DENY.
type PermissionType string

const (
	Allow PermissionType = "ALLOW"
	Deny  PermissionType = "DENY"
)

// Permission on [TopicPermission]; its key is the id.
type Permission struct {
	ID           string         `json:"id"`
	Version      int            `json:"version"`
	LastChange   time.Time      `json:"lastChangeTimestamp"`
	GroupVisible *string        `json:"groupVisibility"`
	VirtualNode  *string        `json:"virtualNode"`
	Type         PermissionType `json:"permissionType"`
	String       string         `json:"permissionString"` // a regular expression that must match the whole action
}

// UserPermissionSummary on [TopicUserPermissionSummary]: all that a user may and may not do, DENY first; its key is
// the login name in lower case.
type UserPermissionSummary struct {
	LoginName   string              `json:"loginName"`
	Enabled     bool                `json:"enabled"`
	Permissions []SummaryPermission `json:"permissions"`
	LastUpdate  time.Time           `json:"lastUpdateTimestamp"`
}

// SummaryPermission is one permission of a summary.
type SummaryPermission struct {
	ID           string         `json:"id"`
	GroupVisible *string        `json:"groupVisibility"`
	VirtualNode  *string        `json:"virtualNode"`
	Type         PermissionType `json:"permissionType"`
	String       string         `json:"permissionString"`
}
