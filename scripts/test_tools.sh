#!/usr/bin/env bash
# Installs what the browser, server, and notation tests drive, where this is a Debian machine and we may.
# Elsewhere it says what is missing; the tests that need it are then skipped with that reason.
set -euo pipefail
declare -A package=([chromium]=chromium [redis-server]=redis-server [turnserver]=coturn [pdftoppm]=poppler-utils
    [musescore3]=musescore3 [xvfb-run]=xvfb [fluidsynth]=fluidsynth [tuxguitar]=tuxguitar [javac]=default-jdk-headless
    [h2cli]=hydrogen [abcm2ps]=abcm2ps [abc2midi]=abcmidi)
missing=()
for tool in "${!package[@]}"; do command -v "$tool" >/dev/null || missing+=("${package[$tool]}"); done
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "installing for the tests: ${missing[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
            && missing=()
    fi
    [ ${#missing[@]} -eq 0 ] || echo "not installed, so some tests will be skipped: ${missing[*]}" >&2
fi

cd "$(dirname "$0")/.."

# Packages of npm, pinned: OpenSheetMusicDisplay, the viewer of many web sites, of which one script is kept (the fourth
# word), and scan-chart, by which charts for Clone Hero are checked, with what it needs to read one
from_npm() {
    local into=node_modules/$1 folder
    [ ! -e "$into" ] && command -v npm >/dev/null || return 0
    folder=$(mktemp -d)
    if npm pack --silent --fetch-retries=1 --fetch-timeout=20000 --pack-destination "$folder" "$1@$2" >/dev/null 2>&1 \
            && echo "$3  $(echo "$folder"/*.tgz)" | sha256sum --check --quiet >&2 \
            && tar -xzf "$folder"/*.tgz -C "$folder" "package/${4:-}"; then
        mkdir -p node_modules && mv "$folder/package" "$into"
    fi
    rm -rf "$folder"
}
from_npm opensheetmusicdisplay 2.1.3 b068ffe68fcce675dfe4135832a4ccf59d1388ef645cda9ca622e86472289ac3 \
    build/opensheetmusicdisplay.min.js
from_npm scan-chart 7.0.1 bf39f77bc203e77cd9e29f9ae82ccccb84b79eee824dae6011d7c547ccef71b6
from_npm lodash 4.17.21 6a087ac9e5702a0c9d60fbcd48696012646ec8df1491dea472b150e79fcaf804
from_npm midi-file 1.2.4 a8980f145105c566a03577702a692e2a5db317237804f048d88734c97a21b984
for name in opensheetmusicdisplay scan-chart lodash midi-file; do
    [ -e "node_modules/$name" ] || echo "no $name (npm), so a test will be skipped" >&2
done
