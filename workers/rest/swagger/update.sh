#!/bin/sh
# Fetches the files of Swagger UI anew: update.sh VERSION. Then change the version in README.md, index.html and ../swagger.go.
set -eu
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tarball=$(npm pack --silent --pack-destination "$dir" "swagger-ui-dist@$1")
tar -xzf "$dir/$tarball" -C "$dir"
for f in swagger-ui-bundle.js swagger-ui.css; do
  gzip -9 -n -c "$dir/package/$f" >"$f.gz"
  (cd "$dir/package" && sha256sum "$f")
done
cp "$dir/package/LICENSE" "$dir/package/NOTICE" "$dir/package/swagger-ui-bundle.js.LICENSE.txt" .
cp "$dir/package/favicon-32x32.png" favicon.png
