package browse

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/mask"
	"github.com/cordage-sandbox/cordage/workers/store"
)

// How much of a value is shown.
const (
	maxText  = 4 << 10  // characters
	maxBytea = 1 << 10  // bytes
	maxJSON  = 64 << 10 // characters that are read of a text that may be JSON with secrets in it
)

// defaultPage is how many rows a page has that does not say.
const defaultPage = 100

// Rows reads a page of a table, in the order of its primary key. Errors: *NotFoundError, *BadRequestError.
func (b *Browser) Rows(ctx context.Context, database, table string, p sandbox.Page) (sandbox.Rows, error) {
	none := sandbox.Rows{}
	limit, err := limitOf(p)
	if err != nil {
		return none, err
	}
	d, err := b.locate(database)
	if err != nil {
		return none, err
	}
	if err := store.CheckIdent(table); err != nil {
		return none, &BadRequestError{err.Error()}
	}
	var page sandbox.Rows
	err = b.read(ctx, d.Database, func(ctx context.Context, tx pgx.Tx) error {
		if err := hasSchema(ctx, tx, database, d.Schema); err != nil {
			return err
		}
		found, err := readTables(ctx, tx, d.Schema, table)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return &NotFoundError{"table", database + "/" + table}
		}
		s, err := newSelection(d.Schema, found[0], p.After)
		if err != nil {
			return err
		}
		page, err = s.read(ctx, tx, limit)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && len(s.after.Key) > 0 && strings.HasPrefix(pg.Code, dataException) {
			return errAfter() // its key is no value of the column's type
		}
		return err
	})
	return page, err
}

// dataException is the class of SQLSTATE of values that are not what their type wants.
const dataException = "22"

func limitOf(p sandbox.Page) (int, error) {
	if p.Limit < 0 || p.Limit > sandbox.MaxPage {
		return 0, &BadRequestError{fmt.Sprintf("limit is %d; it is 1 to %d", p.Limit, sandbox.MaxPage)}
	}
	return cmp.Or(p.Limit, defaultPage), nil
}

// position is where a page begins: behind the row with this key or, where there is no key, after so many rows.
type position struct {
	Key  []string `json:"k,omitempty"`
	Skip int      `json:"s,omitempty"`
}

func (p position) encode() string {
	text, _ := json.Marshal(p) // strings and a number
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodePosition(s string) (p position, err error) {
	if s == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.Skip < 0 || slices.ContainsFunc(p.Key, func(s string) bool { return !storable(s) }) {
		return p, errAfter()
	}
	return p, nil
}

// storable tells whether PostgreSQL takes a text: neither what is no UTF-8 nor NUL.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// selection is a query for a page of a table.
type selection struct {
	table sandbox.Table
	from  string           // schema and table, quoted
	key   []sandbox.Column // by which the next page is found; empty if there is none that may be shown
	order []string         // quoted names
	after position
}

func newSelection(schema string, t sandbox.Table, after string) (selection, error) {
	s := selection{table: t, from: store.QuoteIdent(schema) + "." + store.QuoteIdent(t.Name)}
	for _, c := range t.Columns {
		if c.Key {
			s.key = append(s.key, c)
			s.order = append(s.order, store.QuoteIdent(c.Name))
		}
	}
	if slices.ContainsFunc(s.key, func(c sandbox.Column) bool { return c.Masked }) {
		s.key = nil
	}
	var err error
	if s.after, err = decodePosition(after); err != nil {
		return s, err
	}
	if s.after.Key != nil && len(s.after.Key) != len(s.key) {
		return s, &BadRequestError{"after is of another table"}
	}
	return s, nil
}

// sql makes the statement. Identifiers are quoted names of the server itself; values are parameters.
func (s selection) sql(limit int) (string, []any) {
	var columns, params []string
	var args []any
	for _, c := range s.table.Columns {
		columns = append(columns, shown(c))
	}
	for i, c := range s.key {
		columns = append(columns, store.QuoteIdent(c.Name)+"::text")
		if len(s.after.Key) > 0 {
			params = append(params, fmt.Sprintf("$%d::text::%s", i+1, c.Type))
			args = append(args, s.after.Key[i])
		}
	}
	sql := "SELECT " + strings.Join(columns, ", ") + " FROM " + s.from
	if len(args) > 0 {
		sql += fmt.Sprintf(" WHERE (%s) > (%s)", strings.Join(s.order, ", "), strings.Join(params, ", "))
	}
	if len(s.order) > 0 {
		sql += " ORDER BY " + strings.Join(s.order, ", ")
	}
	if len(s.key) == 0 {
		sql += fmt.Sprintf(" OFFSET %d", s.after.Skip)
	}
	return sql + fmt.Sprintf(" LIMIT %d", limit+1), args
}

// shown is the expression by which a column is read: its text as far as it is shown, and the whole length in bytes. Of
// secrets only whether there is one leaves the server.
func shown(c sandbox.Column) string {
	name := store.QuoteIdent(c.Name)
	switch {
	case c.Masked:
		return fmt.Sprintf("CASE WHEN %s IS NULL THEN NULL ELSE '%s' END, 0", name, mask.Shown)
	case c.Type == "bytea":
		return fmt.Sprintf("encode(substring(%s FROM 1 FOR %d), 'hex'), octet_length(%s)", name, maxBytea, name)
	default:
		return fmt.Sprintf("left(%s::text, %d), octet_length(%s::text)", name, maxJSON, name)
	}
}

func (s selection) read(ctx context.Context, tx pgx.Tx, limit int) (sandbox.Rows, error) {
	page := sandbox.Rows{Columns: s.table.Columns, Rows: [][]sandbox.Cell{}}
	sql, args := s.sql(limit)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return page, err
	}
	n := len(s.table.Columns)
	texts, sizes, key := make([]*string, n), make([]*int, n), make([]string, len(s.key))
	var into []any
	for i := range n {
		into = append(into, &texts[i], &sizes[i])
	}
	for i := range key {
		into = append(into, &key[i])
	}
	var last []string
	_, err = pgx.ForEachRow(rows, into, func() error {
		if len(page.Rows) == limit {
			page.Next = position{Key: last}.encode()
			if len(s.key) == 0 {
				page.Next = position{Skip: s.after.Skip + limit}.encode()
			}
			return nil
		}
		last = append([]string{}, key...)
		row := make([]sandbox.Cell, n)
		for i, c := range s.table.Columns {
			row[i] = cell(c, texts[i], sizes[i])
		}
		page.Rows = append(page.Rows, row)
		return nil
	})
	return page, err
}

// cell makes what is shown of a value.
func cell(c sandbox.Column, text *string, size *int) sandbox.Cell {
	if text == nil || size == nil {
		return sandbox.Cell{Null: true}
	}
	out := sandbox.Cell{Text: *text}
	switch {
	case c.Masked:
		return out
	case c.Type == "bytea":
		if *size > maxBytea {
			out.Bytes = *size
		}
		return out
	case strings.HasPrefix(c.Type, "timestamp"):
		out.Text = isoTime(c.Type, *text)
		return out
	}
	if whole := len(*text) == *size; whole || !mayHideSecrets(*text) {
		out.Text = mask.Text(*text)
	} else {
		out.Text = mask.Shown // JSON that is not all here cannot be looked through
	}
	if short := []rune(out.Text); len(short) > maxText {
		out.Text, out.Bytes = string(short[:maxText]), *size
	}
	return out
}

// mayHideSecrets tells of a text that it is the beginning of a configuration.
func mayHideSecrets(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{")
}

// isoTime writes a time as RFC 3339. Sessions show times with a zone in UTC, and those without are UTC in all of Corda's
// tables.
func isoTime(kind, text string) string {
	day, clock, ok := strings.Cut(text, " ")
	if !ok || strings.HasSuffix(text, "BC") {
		return text // infinity, or out of what RFC 3339 has
	}
	if strings.HasPrefix(kind, "timestamp with time zone") || strings.HasSuffix(kind, "with time zone") {
		clock = strings.TrimSuffix(clock, "+00")
	}
	return day + "T" + clock + "Z"
}
