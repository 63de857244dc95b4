package sandbox

import "time"

// DatabaseInfo is a logical database: of the cluster, or one of a virtual node's three.
type DatabaseInfo struct {
	Name     string `json:"name"`            // config, rbac, crypto; SHORTHASH/vault, /crypto, /uniqueness of a virtual node
	VNode    string `json:"vnode,omitempty"` // short hash
	Owner    string `json:"owner,omitempty"` // X.500 name of the virtual node
	Database string `json:"database"`
	Schema   string `json:"schema"`
	Bytes    int64  `json:"sizeBytes"` // of its tables and indexes
	Tables   int    `json:"tables"`
	Sessions int    `json:"sessions"` // of workers, at present
}

// Table is a table or a view of a logical database.
type Table struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`      // table, view
	Rows    int64    `json:"rows"`      // the server's estimate; -1 where it has none
	Bytes   int64    `json:"sizeBytes"` // with indexes
	Columns []Column `json:"columns"`
}

// Column is a column of a table.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`               // as PostgreSQL writes it: varchar(255), bytea
	Key      bool   `json:"key,omitempty"`      // part of the primary key
	Unique   bool   `json:"unique,omitempty"`   // part of another unique index
	Nullable bool   `json:"nullable,omitempty"` //
	Refers   string `json:"refersTo,omitempty"` // table that a foreign key leads to
	Masked   bool   `json:"masked,omitempty"`   // holds secrets, which are not shown
}

// Page chooses rows: so many (100 if zero, at most MaxPage) after a position, which is Next of the page before.
type Page struct {
	After string
	Limit int
}

// MaxPage bounds [Page].Limit.
const MaxPage = 500

// Rows is a page of a table, in the order of its primary key.
type Rows struct {
	Columns []Column `json:"columns"`
	Rows    [][]Cell `json:"rows"`
	Next    string   `json:"next,omitempty"` // position of the page that follows; empty at the end
}

// Cell is one value as text: bytes in hexadecimal, times in RFC 3339.
type Cell struct {
	Text  string `json:"text,omitempty"`
	Null  bool   `json:"null,omitempty"`
	Bytes int    `json:"sizeBytes,omitempty"` // of the whole value, where Text has only its beginning
}

// UniquenessFilter chooses what is shown of a virtual node's uniqueness database.
type UniquenessFilter struct {
	Show string // states, unspent, spent, transactions, accepted, rejected; empty: states
	Find string // beginning of a transaction's id, as ALGO:HEX or only HEX
	Page
}

// Uniqueness is what the uniqueness checker remembers of a virtual node.
type Uniqueness struct {
	VNode        string           `json:"vnode"` // short hash
	Owner        string           `json:"owner"` // X.500 name
	Totals       UniquenessTotals `json:"totals"`
	States       []UniqueState    `json:"states"`         // of the page, if states are shown
	Transactions []UniqueTx       `json:"transactions"`   // of the page, if transactions are shown; the latest first
	Next         string           `json:"next,omitempty"` // not empty: there may be more, also behind a page with fewer rows than were asked for
}

// UniquenessTotals count all that is remembered.
type UniquenessTotals struct {
	Estimated bool `json:"estimated,omitempty"` // from a sample, since there is too much to count

	Unspent  int64 `json:"unspent"`
	Spent    int64 `json:"spent"`
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
}

// UniqueState is a state: an output of a transaction.
type UniqueState struct {
	Ref     string `json:"stateRef"`          // ALGO:HEX:INDEX
	SpentBy string `json:"spentBy,omitempty"` // ALGO:HEX of the consuming transaction; empty: unspent
}

// UniqueTx is a transaction that was decided on.
type UniqueTx struct {
	ID         string    `json:"txId"` // ALGO:HEX
	Originator string    `json:"originator"`
	Result     string    `json:"result"` // accepted, rejected
	Committed  time.Time `json:"committed"`
	Expires    time.Time `json:"expires"`         // end of its time window
	Error      string    `json:"error,omitempty"` // of a rejection, as JSON
}
