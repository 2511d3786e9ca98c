#!/usr/bin/env bash
# Installs what the tests of this folder need into node_modules, once per change of package.json.
# Of OHIF only the built pages are taken: installing the package would also fetch all that it is built from.
set -euo pipefail
cd "$(dirname "$0")"

stamp=node_modules/.installed
if [ -f "$stamp" ] && [ "$stamp" -nt package.json ] && [ "$stamp" -nt package-lock.json ]; then
    exit 0
fi
npm ci --silent --no-audit --no-fund
package=$(node -p 'require("./package.json").viewer.package')
expected=$(node -p 'require("./package.json").viewer.integrity')
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
archive="$unpacked/$(npm pack --silent --pack-destination "$unpacked" "$package")"
found="sha512-$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)"
if [ "$found" != "$expected" ]; then
    echo "$package does not have the SHA-512 that tests/viewer/package.json gives; nothing was installed." >&2
    exit 1
fi
tar -xzf "$archive" -C "$unpacked" --exclude='*.map'
rm -rf node_modules/ohif
mv "$unpacked/package/dist" node_modules/ohif
touch "$stamp"
