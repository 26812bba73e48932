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

# OpenSheetMusicDisplay, the viewer of many web sites: its one script, pinned
osmd_version=2.1.3
osmd_sha256=099b2125aef055ca4faae75957037404973f9451544b52d9b3a0b1f788b33581
osmd=node_modules/opensheetmusicdisplay/build/opensheetmusicdisplay.min.js
cd "$(dirname "$0")/.."
if [ ! -s "$osmd" ] && command -v npm >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    if npm pack --silent --fetch-retries=1 --fetch-timeout=20000 --pack-destination "$folder" \
            "opensheetmusicdisplay@$osmd_version" >/dev/null 2>&1 \
            && tar -xzf "$folder"/*.tgz -C "$folder" "package/${osmd#node_modules/opensheetmusicdisplay/}" \
            && echo "$osmd_sha256  $folder/package/build/${osmd##*/}" | sha256sum --check --quiet >&2; then
        mkdir -p "${osmd%/*}" && mv "$folder/package/build/${osmd##*/}" "$osmd"
    fi
fi
[ -s "$osmd" ] || echo "no OpenSheetMusicDisplay (npm), so its test will be skipped" >&2
