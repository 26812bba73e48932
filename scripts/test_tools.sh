#!/usr/bin/env bash
# Installs what the browser, server, and notation tests drive, where this is a Debian machine and we may.
# Elsewhere it says what is missing; the tests that need it are then skipped with that reason.
set -euo pipefail
declare -A package=([chromium]=chromium [redis-server]=redis-server [pdftoppm]=poppler-utils
    [musescore3]=musescore3 [xvfb-run]=xvfb [fluidsynth]=fluidsynth)
missing=()
for tool in "${!package[@]}"; do command -v "$tool" >/dev/null || missing+=("${package[$tool]}"); done
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing for the tests: ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "not installed, so some tests will be skipped: ${missing[*]}" >&2
