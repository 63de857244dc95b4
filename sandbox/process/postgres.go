package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cordage-sandbox/cordage/sandbox/artefact"
	"github.com/cordage-sandbox/cordage/sandbox/serverconf"
)

// Superuser is the name of PostgreSQL's superuser in every sandbox.
const Superuser = "postgres"

// PostgreSQL is a PostgreSQL server to run. It listens on 127.0.0.1 only, and on no unix socket; every connection
// proves a password (SCRAM-SHA-256). It runs durably: fsync is on.
type PostgreSQL struct {
	Node     string
	Data     string            // data directory; made from the template if it is not there
	Owner    string            // who the data directory belongs to: one made for another is refused
	Port     int               // on 127.0.0.1
	Password string            // of the superuser, printable ASCII; changed in the data directory if it differs
	Log      string            // file
	Env      []string          // markers, added to the server's environment
	Settings map[string]string // postgresql.conf entries over the defaults

	Volatile    bool // for tests: no fsync, nothing survives a crash of the machine
	DeathSignal syscall.Signal
}

// defaults of a sandbox, over PostgreSQL's own.
func (p PostgreSQL) settings() map[string]string {
	s := serverconf.PostgreSQL()
	s["listen_addresses"], s["port"], s["unix_socket_directories"] = "127.0.0.1", fmt.Sprint(p.Port), ""
	if p.Volatile {
		s["fsync"], s["synchronous_commit"], s["full_page_writes"] = "off", "off", "off"
	}
	maps.Copy(s, p.Settings)
	return s
}

// Start makes the data directory ready and starts the server. It returns once the process runs.
//
// Errors: *DataDirError, *UnreachableError, *StartError, and those of the cache.
func (p PostgreSQL) Start(ctx context.Context, cache *artefact.Cache) (*Child, error) {
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	bin, err := cache.PostgreSQL(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{bin.Bin("postgres"), p.Data} {
		if err := account.reach(path); err != nil {
			return nil, err
		}
	}
	d := dataDir{path: p.Data, owner: p.Owner, account: account, bin: bin, durable: !p.Volatile}
	if err := d.prepare(ctx, cache, p.Password); err != nil {
		return nil, err
	}
	if err := d.configure(p.settings()); err != nil {
		return nil, err
	}
	return Launch(Command{
		Node: p.Node, Path: bin.Bin("postgres"), Args: []string{"-D", p.Data}, Dir: p.Data,
		Env: append(serverEnv(), p.Env...), Log: p.Log, Account: account,
		StopSignal: postgresStop, DeathSignal: p.DeathSignal, Family: p.Data,
	})
}

// postgresStop is PostgreSQL's fast shutdown: it ends sessions and writes a checkpoint, so that the next start has
// nothing to recover.
const postgresStop = syscall.SIGINT

// serverEnv is the whole environment of a server, besides the markers.
func serverEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

const settingsFile = "cordage.conf"

// configure writes the settings file that postgresql.conf includes.
func (d dataDir) configure(settings map[string]string) error {
	var b strings.Builder
	b.WriteString("# Written by Cordage at each start.\n")
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", k, quoteSetting.Replace(settings[k]))
	}
	return d.write(settingsFile, []byte(b.String()))
}

var quoteSetting = strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", `\n`)

// write replaces a file in the data directory. For root the directory is another account's, and whoever runs programs as
// PostgreSQL may have put links there: none is followed.
func (d dataDir) write(name string, content []byte) error {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return err
	}
	defer root.Close()
	tmp := name + ".new"
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const mode fs.FileMode = 0o600
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return explainDisk(err, filepath.Join(d.path, name))
	}
	_, err = f.Write(content)
	if err == nil && d.account != (Account{}) {
		err = f.Chown(int(d.account.UID), int(d.account.GID))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return explainDisk(err, filepath.Join(d.path, name))
	}
	return root.Rename(tmp, name)
}

// read reads a file of the data directory. A link that leads out of it is an error, as what is read may be shown.
func (d dataDir) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(name)
}
