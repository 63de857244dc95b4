#!/bin/sh
# Makes a data directory if there is none, and runs the server. It heeds POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE,
# POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD and PGDATA.
set -eu
umask 077
case ${1:-} in '' | -*) set -- postgres "$@" ;; esac
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
prepared='--auth=scram-sha-256 --encoding=UTF8 --locale=C' # what the image has a data directory of

quoted() { printf "%s" "$1" | sed "s/'/''/g"; }
single() { postgres --single -D "$PGDATA" postgres >/dev/null; }

make() {
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "error: a new data directory needs POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD" >&2
    exit 1
  fi
  case "$user ${POSTGRES_INITDB_ARGS:-$prepared}" in
    "postgres $prepared")
      cp -R /usr/share/cordage/data/. "$PGDATA"
      printf "ALTER ROLE postgres PASSWORD '%s'\n" "$(quoted "${POSTGRES_PASSWORD:-}")" | single ;;
    *)
      file=$(mktemp)
      printf '%s\n' "${POSTGRES_PASSWORD:-}" >"$file"
      # shellcheck disable=SC2086 # the arguments are meant to be split
      initdb -D "$PGDATA" -U "$user" --pwfile="$file" ${POSTGRES_INITDB_ARGS:-} --no-sync --no-instructions
      rm "$file" ;;
  esac
  if [ "$database" != postgres ]; then echo "CREATE DATABASE \"$database\"" | single; fi
  sync -f "$PGDATA"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || true
  make
fi
unset POSTGRES_PASSWORD
exec "$@"
