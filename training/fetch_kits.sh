#!/bin/sh
# Fetches the packages that training/package_kits.py reads; nothing is installed. Needs apt-get, dpkg, npm.
# training/fetch_kits.sh FOLDER, then PACKAGE_KITS=FOLDER (or FOLDER = WORK/packages) for training.
set -eu
mkdir -p "$1/npm" && cd "$1"
for name in chuck-data=1.4.2.0-1 stk=4.6.2+dfsg-2 scratch=1.4.0.6~dfsg1-6.1 hydrogen-drumkits=2017.09.19~dfsg-1; do
  apt-get download "$name"
done
for file in ./*.deb; do dpkg -x "$file" . && rm "$file"; done
for name in @teropa/drumkit@1.1.0 supersonic-scsynth-samples@0.84.2; do
  to=npm/$(echo "$name" | sed 's/@[^@]*$//; s/.*\///')
  mkdir -p "$to"
  tar -xzf "$(npm pack --silent "$name")" --strip-components 1 -C "$to"
done
rm ./*.tgz
