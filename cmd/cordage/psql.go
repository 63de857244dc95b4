package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/client"
	"github.com/cordage-sandbox/cordage/workers/ident"
	"github.com/cordage-sandbox/cordage/workers/store"
)

func (a *app) newPSQLCmd() *cobra.Command {
	var command string
	var builtin bool
	cmd := &cobra.Command{
		Use:   "psql [config|rbac|crypto|VNODE/vault|VNODE/crypto|VNODE/uniqueness]",
		Short: "Open a logical database of the cluster",
		Long: `Open a logical database of the cluster, or of a virtual node (by its short hash or X.500 name), with the rights of
PostgreSQL's superuser. Without a name the server itself is opened. psql is used where it is installed; otherwise a
minimal prompt that sends what is typed up to a line that ends with a semicolon.`,
		Example: "  cordage psql config\n  cordage psql config -c 'SELECT connection_name FROM db_connection'\n  cordage psql 226D5D9460A4/vault",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			t, err := a.target(cmd.Context(), name)
			if err != nil {
				return err
			}
			if program, err := exec.LookPath("psql"); err == nil && command == "" && !builtin {
				return t.runPSQL(cmd.Context(), program)
			}
			return a.ownPrompt(cmd.Context(), t, command)
		},
	}
	cmd.Flags().StringVarP(&command, "command", "c", "", "run this `SQL`, print its result and end")
	cmd.Flags().BoolVar(&builtin, "builtin", false, "use the built-in prompt even where psql is installed")
	return cmd
}

// target is a logical database and who opens it.
type target struct {
	name string
	pg   sandbox.PostgresCredentials
	at   sandbox.Database
}

// target finds the logical database that is meant.
func (a *app) target(ctx context.Context, name string) (target, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return target{}, err
	}
	defer c.Close()
	cr, err := c.Credentials(ctx)
	if err != nil {
		return target{}, err
	}
	t := target{name: name, pg: cr.PostgreSQL, at: sandbox.Database{Database: "postgres"}}
	if name == "" {
		if nodes, ok := cr.Databases[nodesDatabase]; ok {
			t.at = sandbox.Database{Database: nodes.Database}
		}
		t.name = "server"
		return t, nil
	}
	if at, ok := cr.Databases[name]; ok && name != nodesDatabase {
		t.at = at
		return t, nil
	}
	vnode, kind, ok := cutLast(name, "/")
	if !ok {
		return target{}, &usageError{fmt.Errorf("database %q: it is config, rbac, crypto, or VNODE/vault, VNODE/crypto, VNODE/uniqueness", name)}
	}
	schema, err := a.nodeSchema(ctx, cr, vnode, kind)
	t.at = sandbox.Database{Database: cr.Databases[nodesDatabase].Database, Schema: schema}
	return t, err
}

// nodesDatabase is the key of the database of all virtual nodes among the cluster's: it is no logical database by itself.
const nodesDatabase = "nodes"

// nodeKinds are the logical databases of a virtual node, by the names that users give them.
func nodeKinds() map[string]store.NodeKind {
	return map[string]store.NodeKind{"vault": store.Vault, "crypto": store.Crypto, "uniqueness": store.Uniqueness}
}

// nodeSchema is the schema of a virtual node's database of a kind.
func (a *app) nodeSchema(ctx context.Context, cr sandbox.Credentials, vnode, kind string) (string, error) {
	k, ok := nodeKinds()[kind]
	if !ok {
		return "", &usageError{fmt.Errorf("database %q of a virtual node: it is vault, crypto or uniqueness", kind)}
	}
	r, err := client.NewREST(cr.REST)
	if err != nil {
		return "", err
	}
	n, err := findVNode(ctx, r, vnode)
	if err != nil {
		return "", err
	}
	hash, err := ident.ParseShortHash(n.HoldingIdentity.ShortHash)
	if err != nil {
		return "", err
	}
	return k.SchemaName(hash), nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// runPSQL runs the installed client. The password reaches it in a file of its own that is removed afterwards, never as an
// argument or in the environment.
func (t target) runPSQL(ctx context.Context, program string) (err error) {
	f, err := os.CreateTemp("", "cordage-pgpass-*") // 0600
	if err != nil {
		return fmt.Errorf("hand psql its password: %w", err)
	}
	defer os.Remove(f.Name())
	quote := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	_, err = fmt.Fprintf(f, "%s:%d:*:%s:%s\n", t.pg.Host, t.pg.Port, quote.Replace(t.pg.User), quote.Replace(t.pg.Password))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("hand psql its password: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "--no-password") // Ctrl-C is for psql, which ends a query by it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "PGPASSFILE="+f.Name(), "PGHOST="+t.pg.Host, fmt.Sprintf("PGPORT=%d", t.pg.Port),
		"PGUSER="+t.pg.User, "PGDATABASE="+t.at.Database, "PGSSLMODE=disable", "PGAPPNAME=cordage-psql")
	if t.at.Schema != "" {
		cmd.Env = append(cmd.Env, "PGOPTIONS=-csearch_path="+t.at.Schema)
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run psql: %w", err)
	}
	return nil
}

// ownPrompt runs one command, or what is typed.
func (a *app) ownPrompt(ctx context.Context, t target, command string) error {
	conn, err := t.connect(ctx)
	if err != nil {
		return fmt.Errorf("open database %s: %w", t.name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if command != "" {
		return a.runSQL(ctx, conn, command)
	}
	_, interactive := isTerminal(a.err)
	prompt := func(text string) {
		if interactive {
			fmt.Fprint(a.err, text)
		}
	}
	var text strings.Builder
	scan := bufio.NewScanner(a.in)
	for prompt(t.name + "=# "); scan.Scan(); {
		line := strings.TrimSpace(scan.Text())
		if text.Len() == 0 && (line == `\q` || line == "exit" || line == "quit") {
			return nil
		}
		text.WriteString(scan.Text() + "\n")
		if !strings.HasSuffix(line, ";") {
			prompt(t.name + "-# ")
			continue
		}
		if err := a.runSQL(ctx, conn, text.String()); err != nil {
			if !interactive || ctx.Err() != nil {
				return err
			}
			fmt.Fprintln(a.err, "error: "+shown(err.Error()))
		}
		text.Reset()
		prompt(t.name + "=# ")
	}
	if strings.TrimSpace(text.String()) != "" {
		return a.runSQL(ctx, conn, text.String())
	}
	return scan.Err()
}

func (t target) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable application_name=cordage-psql")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database = t.pg.Host, uint16(t.pg.Port), t.at.Database //nolint:gosec // a port
	config.User, config.Password, config.Fallbacks = t.pg.User, t.pg.Password, nil
	if t.at.Schema != "" {
		config.RuntimeParams["search_path"] = t.at.Schema
	}
	return pgx.ConnectConfig(ctx, config)
}

// result is the result of one statement.
type result struct {
	Command string               `json:"command"` // as PostgreSQL tells it: SELECT 3
	Columns []string             `json:"columns,omitempty"`
	Rows    []map[string]*string `json:"rows,omitempty"` // values as text, null for NULL
	cells   [][]string
}

// runSQL runs statements over the simple protocol, which takes several at once, and prints their results.
func (a *app) runSQL(ctx context.Context, conn *pgx.Conn, sql string) error {
	var results []result
	all := conn.PgConn().Exec(ctx, sql)
	for all.NextResult() {
		results = append(results, readResult(all.ResultReader()))
	}
	if err := all.Close(); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			return &failedError{fmt.Sprintf("run SQL: %s (SQLSTATE %s)", pg.Message, pg.Code), pg.Hint}
		}
		return fmt.Errorf("run SQL: %w", err)
	}
	return a.answer(results, func(w io.Writer) error {
		for _, r := range results {
			if len(r.Columns) > 0 {
				if err := table(w, append([][]string{r.Columns}, r.cells...)); err != nil {
					return err
				}
			}
			fmt.Fprintf(w, "(%s)\n", r.Command)
		}
		return nil
	})
}

func readResult(from *pgconn.ResultReader) result {
	var r result
	for _, f := range from.FieldDescriptions() {
		r.Columns = append(r.Columns, f.Name)
	}
	for from.NextRow() {
		row, cells := map[string]*string{}, []string{}
		for i, v := range from.Values() {
			if v == nil {
				row[r.Columns[i]] = nil
				cells = append(cells, "∅")
				continue
			}
			text := string(v)
			row[r.Columns[i]] = &text
			cells = append(cells, strings.ReplaceAll(text, "\n", "⏎"))
		}
		r.Rows, r.cells = append(r.Rows, row), append(r.cells, cells)
	}
	tag, _ := from.Close() // the error comes again from the reader of all results
	r.Command = tag.String()
	return r
}
