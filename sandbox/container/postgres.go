package container

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordage-sandbox/cordage/sandbox"
	"github.com/cordage-sandbox/cordage/sandbox/serverconf"
	"github.com/cordage-sandbox/cordage/workers/keys"
)

// passwordFile is what PostgreSQL is handed (NodeSpec.Files): its superuser's password.
const passwordFile = "password"

const (
	postgresVolume = "/var/lib/postgresql/data" // where images have their data
	postgresData   = postgresVolume + "/server"
	postgresShm    = 256 << 20
)

// postgresEntry runs before the image's own entry point. It reads two lines, the password and what PostgreSQL stores for
// it. A data directory whose making was interrupted is made anew: the last that an entry point does to a new one is to
// let clients in, by a line in pg_hba.conf. A password that has changed is changed in the data.
const postgresEntry = `set -eu
umask 077
IFS= read -r password
IFS= read -r verifier
printf %s "$password" >` + filesDir + `/password
unset password
known=` + postgresVolume + `/cordage.verifier
if [ -s "$PGDATA/PG_VERSION" ] && ! grep -q '^host all all all ' "$PGDATA/pg_hba.conf" 2>/dev/null; then
  echo "a data directory that was not finished is made anew"
  find "$PGDATA" -mindepth 1 -delete
fi
if [ -s "$PGDATA/PG_VERSION" ] && [ "$(cat "$known" 2>/dev/null)" != "$verifier" ]; then
  echo "ALTER ROLE postgres PASSWORD '$verifier'" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
echo "$verifier" >"$known"
exec docker-entrypoint.sh "$@"`

// planPostgreSQL keeps to what images of PostgreSQL have in common: docker-entrypoint.sh, the POSTGRES_* variables, a user
// postgres, and data in /var/lib/postgresql/data.
func (r *Runtime) planPostgreSQL(spec sandbox.NodeSpec) (plan, error) {
	password, number := string(spec.Files[passwordFile]), spec.Ports[purposeSQL]
	if number == 0 || password == "" || strings.ContainsAny(password, "\n'") {
		return plan{}, fmt.Errorf("start %s: it needs a port %q and a file %q", spec.Name, purposeSQL, passwordFile)
	}
	// The same password gives the same verifier, so that it can be told whether the data have it already.
	salt := sha256.Sum256([]byte("cordage " + r.owner + password))
	verifier, err := keys.SCRAMVerifierWithSalt(password, [16]byte(salt[:16]))
	if err != nil {
		return plan{}, err
	}
	settings := serverconf.PostgreSQL()
	maps.Copy(settings, map[string]string{"listen_addresses": "*", "port": fmt.Sprint(sqlInside)})
	maps.Copy(settings, spec.Settings)
	p := plan{
		entry: []string{"/bin/sh", "-c", postgresEntry, "cordage"}, command: []string{"postgres"},
		env: map[string]string{
			"PGDATA": postgresData, "POSTGRES_PASSWORD_FILE": filesDir + "/password",
			"POSTGRES_INITDB_ARGS": "--auth=scram-sha-256 --encoding=UTF8 --locale=C",
			"LC_ALL":               "C", "TZ": "UTC",
		},
		user: "postgres", stdin: []byte(password + "\n" + verifier + "\n"), ports: map[int]int{sqlInside: number},
		tmpfs: map[string]string{
			"/tmp": "rw,nosuid,nodev,size=64m,mode=1777", "/var/run/postgresql": "rw,nosuid,nodev,noexec,size=1m,mode=1777",
		},
		volume: postgresVolume, shm: postgresShm,
		health: healthCheck("/bin/bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", sqlInside)),
	}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		p.command = append(p.command, "-c", k+"="+settings[k])
	}
	return p, nil
}
