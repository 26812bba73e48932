#!/usr/bin/env bash
# Makes the virtual environment: scripts/setup.sh VENV [requirements file ...]
# Order matters: madmom's build script imports numpy and Cython, so they come first and build isolation is off.
set -euo pipefail
venv=$1
shift
here=$(cd "$(dirname "$0")/.." && pwd)

python=${PYTHON:-}
if [ -z "$python" ]; then
    for name in python3.11 python3 python; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            python=$name
            break
        fi
    done
fi
[ -n "$python" ] || { echo "DrumScribe needs Python 3.11: install it, or set PYTHON=/path/to/python3.11." >&2; exit 1; }

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# Deprecation notes of pip and of optional package sources say nothing to a user.
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" 2> >(grep -v '^WARNING: ' >&2); }

echo "[1/4] build tools" >&2
pip install "pip>=25" "setuptools==80.10.2" wheel "$(grep '^numpy==' "$here/requirements.txt")" "$(grep '^cython==' "$here/requirements.txt")"

torch=$(grep '^torch==' "$here/requirements.txt")
if ! "$venv/bin/python" -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
    echo "[2/4] PyTorch" >&2
    if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
        pip install "$torch"
    else
        # Without a GPU the CPU build spares gigabytes of CUDA libraries; it has an index of its own.
        pip install --retries 0 --timeout 10 --index-url https://download.pytorch.org/whl/cpu \
            --extra-index-url https://pypi.org/simple "$torch+cpu" 2>/dev/null || pip install "$torch"
    fi
fi

echo "[3/4] libraries (a few minutes the first time)" >&2
requirements=()
for file in "$here/requirements.txt" "$@"; do requirements+=(-r "$file"); done
constraints=()
[ -f "$here/constraints.txt" ] && constraints=(-c "$here/constraints.txt")
pip install --no-build-isolation "${constraints[@]}" "${requirements[@]}"
pip install --no-deps -r "$here/requirements-nodeps.txt"

echo "[4/4] DrumScribe itself" >&2
pip install -q --no-build-isolation --no-deps --editable "$here"
