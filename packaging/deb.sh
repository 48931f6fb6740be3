#!/usr/bin/env bash
# Builds the Debian package into target/debian, with man pages, completions and the nightly timer (installed switched off).
# Wants cargo-deb (`cargo install cargo-deb`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo-deb >/dev/null; then
    echo "cargo-deb is not installed; get it by: cargo install --locked cargo-deb" >&2
    exit 2
fi
cargo run --quiet --locked --example package_files -- target/package
gzip --force --keep --best --no-name target/package/man/*.1
gzip --best --no-name --stdout CHANGELOG.md > target/package/changelog.gz
# Without the line tables, which are four fifths of the program.
cargo deb --locked --strip "$@"
