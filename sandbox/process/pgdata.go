package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// dataDir is PostgreSQL's data directory.
type dataDir struct {
	path    string
	owner   string
	account Account
	bin     artefact.PostgreSQL
	durable bool
}

// ownerFile says inside a data directory whose it is and which password its superuser has.
const ownerFile = "cordage.json"

type ownership struct {
	Owner    string `json:"owner"`
	Verifier string `json:"verifier"` // as PostgreSQL stores it; the password cannot be had from it
}

// prepare makes the directory if it is not there, and otherwise sees to it that it is ours, whole, and not in use.
func (d dataDir) prepare(ctx context.Context, cache *artefact.Cache, password string) error {
	fresh, err := d.absent()
	if err != nil {
		return err
	}
	if fresh {
		return d.create(ctx, cache, password)
	}
	owned, err := d.check()
	if err != nil {
		return err
	}
	if keys.MatchesSCRAM(owned.Verifier, password) {
		return nil
	}
	return d.setPassword(ctx, password)
}

func (d dataDir) absent() (bool, error) {
	entries, err := os.ReadDir(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case errors.Is(err, fs.ErrPermission):
		return false, &DataDirError{Dir: d.path, Fault: Unreadable, Err: err}
	case errors.Is(err, syscall.ENOTDIR):
		return false, &DataDirError{Dir: d.path, Fault: NotOurs, Detail: "it is a file"}
	case err != nil:
		return false, &DataDirError{Dir: d.path, Fault: Unreadable, Err: err}
	}
	return len(entries) == 0, nil
}

// check says what is wrong with an existing directory, the most telling fault first.
func (d dataDir) check() (ownership, error) {
	fault := func(f DataFault, detail string) (ownership, error) {
		return ownership{}, &DataDirError{Dir: d.path, Fault: f, Detail: detail}
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return ownership{}, &DataDirError{Dir: d.path, Fault: Unreadable, Err: err}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != d.account.uid() {
		return fault(OtherUser, fmt.Sprintf("uid %d; the server would run as %s", s.Uid, d.account))
	}
	version, err := d.read("PG_VERSION")
	if errors.Is(err, fs.ErrNotExist) {
		return fault(NotOurs, "it is not empty and no PostgreSQL data directory")
	} else if err != nil {
		return ownership{}, &DataDirError{Dir: d.path, Fault: Unreadable, Err: err}
	}
	major, _, _ := strings.Cut(d.bin.Version, ".")
	if got := strings.TrimSpace(string(version)); got != major {
		return fault(OtherVersion, fmt.Sprintf("PostgreSQL %.20s; this is %s", got, d.bin.Version))
	}
	b, err := d.read(ownerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fault(NotOurs, "")
	} else if err != nil {
		return ownership{}, &DataDirError{Dir: d.path, Fault: Unreadable, Err: err}
	}
	var o ownership
	if err := json.Unmarshal(b, &o); err != nil {
		return fault(Incomplete, ownerFile+": "+err.Error())
	}
	if o.Owner != d.owner {
		return fault(OtherSandbox, o.Owner)
	}
	if !exists(filepath.Join(d.path, "global", "pg_control")) {
		return fault(Incomplete, "global/pg_control is missing")
	}
	return o, d.free()
}

// free sees to it that no server works on the directory. Backends that a killed server left are ended: without it
// they are of no use, but they would write. Its postmaster.pid is removed: the process number in it may belong to
// somebody else by now, and PostgreSQL would then refuse to start. That is safe only because not a single process works
// in the directory any more.
func (d dataDir) free() error {
	if !canSeeProcesses {
		return nil // PostgreSQL's own check must do
	}
	file := filepath.Join(d.path, "postmaster.pid")
	pids := processesIn(d.path)
	if server := postmaster(file); slices.Contains(pids, server) {
		return &DataDirError{Dir: d.path, Fault: InUse, Detail: fmt.Sprintf("process %d", server)}
	}
	if err := killAllIn(d.path); err != nil {
		return &DataDirError{Dir: d.path, Fault: InUse, Err: err}
	}
	removeShared(d.path)
	err := os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// postmaster reads the process number of the server from its postmaster.pid; 0 if there is none.
func postmaster(file string) int {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first))
	return pid
}

// create copies the prepared data directory beside its place, sets the password there, makes it durable and renames
// it: interrupted at any point, it is there whole or not at all.
func (d dataDir) create(ctx context.Context, cache *artefact.Cache, password string) error {
	template, err := d.template(ctx, cache)
	if err != nil {
		return err
	}
	made := d
	made.path = d.path + ".new"
	if err := os.RemoveAll(made.path); err != nil {
		return fmt.Errorf("make data directory %s: %w", d.path, err)
	}
	const open = 0o755
	if err := os.MkdirAll(filepath.Dir(d.path), open); err != nil {
		return explainDisk(fmt.Errorf("make data directory %s: %w", d.path, err), d.path)
	}
	err = copyTree(ctx, template, made.path, d.account)
	if err == nil {
		err = made.setPassword(ctx, password)
	}
	if err == nil && d.durable {
		err = syncTree(made.path)
	}
	if err == nil {
		_ = os.Remove(d.path) // an empty directory
		err = os.Rename(made.path, d.path)
	}
	if err != nil {
		_ = os.RemoveAll(made.path)
		return explainDisk(fmt.Errorf("make data directory %s: %w", d.path, err), d.path)
	}
	return nil
}

// template is a data directory as initdb makes it, kept in the cache: copying it takes a quarter of initdb's time.
func (d dataDir) template(ctx context.Context, cache *artefact.Cache) (string, error) {
	name := filepath.Join("template", "postgresql-"+d.bin.Version+"-1") // the number goes up when build changes
	dir, err := cache.Build(ctx, name, "an empty PostgreSQL data directory", func(ctx context.Context, dir string) error {
		data := filepath.Join(dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		if err := d.account.own(data); err != nil {
			return err
		}
		// "trust" is not what the server runs with: pg_hba.conf is replaced below.
		args := []string{"-D", data, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"}
		if err := d.run(ctx, "initdb", nil, args...); err != nil {
			return err
		}
		t := dataDir{path: data, account: d.account}
		hba := "# Written by Cordage: passwords only, from this machine only.\nhost all all 127.0.0.1/32 scram-sha-256\n"
		if err := t.write("pg_hba.conf", []byte(hba)); err != nil {
			return err
		}
		conf, err := t.read("postgresql.conf")
		if err != nil {
			return err
		}
		return t.write("postgresql.conf", append(conf, "\ninclude_if_exists = '"+settingsFile+"'\n"...))
	})
	return filepath.Join(dir, "data"), err
}

// setPassword changes the superuser's password while no server runs, and notes it. What goes to PostgreSQL is the
// verifier, over stdin: the password itself is in no argument, environment, file or log.
func (d dataDir) setPassword(ctx context.Context, password string) error {
	verifier, err := keys.SCRAMVerifier(password)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("ALTER ROLE %s PASSWORD '%s';\n", Superuser, verifier)
	args := []string{"--single", "-D", d.path, "-c", "exit_on_error=on", "-c", "log_statement=none"}
	if !d.durable {
		args = append(args, "-F")
	}
	if err := d.run(ctx, "postgres", strings.NewReader(sql), append(args, "postgres")...); err != nil {
		return fmt.Errorf("set the superuser's password: %w", err)
	}
	b, err := json.Marshal(ownership{Owner: d.owner, Verifier: verifier})
	if err != nil {
		return err
	}
	return d.write(ownerFile, b)
}

// run runs one of PostgreSQL's programs to its end as the server's account.
func (d dataDir) run(ctx context.Context, program string, stdin io.Reader, args ...string) error {
	cmd := exec.CommandContext(ctx, d.bin.Bin(program), args...) //nolint:gosec // the path is ours
	cmd.Env, cmd.Dir, cmd.Stdin = serverEnv(), "/", stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: d.account.credential()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("run %s: %w", program, context.Cause(ctx))
		}
		return fmt.Errorf("run %s as %s: %w\n  %s", program, d.account, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// copyTree copies regular files and directories with their modes, byte by byte, and then gives them to the account: what is
// in a directory before the directory itself, so that nobody can put a link where the copy still writes.
func copyTree(ctx context.Context, from, to string, account Account) error {
	buffer := make([]byte, 256<<10)
	var made []string
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case e.Type().IsRegular():
			err = copyFile(path, target, info.Mode().Perm(), buffer)
		default:
			return nil // sockets and the like are not state
		}
		made = append(made, target)
		return err
	})
	for _, path := range slices.Backward(made) {
		err = errors.Join(err, account.own(path))
	}
	return err
}

func copyFile(from, to string, mode fs.FileMode, buffer []byte) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, buffer)
	return errors.Join(err, out.Close())
}

// explainDisk makes a full disk readable and passes every other error on.
func explainDisk(err error, path string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		(err != nil && strings.Contains(err.Error(), "No space left on device")) {
		return &DiskFullError{Path: path, Err: err}
	}
	return err
}
