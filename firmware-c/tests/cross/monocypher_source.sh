#!/usr/bin/env bash
# Prints where monocypher.c and monocypher.h lie; fetches them the first time. Nothing of them is part of this repository.
# They come from the source package of pymonocypher on PyPI, which is pinned by its hash. MONOCYPHER_SOURCE: a copy that is there already.
source "$(dirname "$0")/common.sh"
need python3 python3

version=4.0.3.4
sum=5e56e3d3eb770a53e0b9f6274146663c11a11f3d0de5cd48e3be0428d1b07a4a

if [ -n "${MONOCYPHER_SOURCE:-}" ]; then
  echo "$MONOCYPHER_SOURCE"
  exit
fi
target=$BUILD/third_party/monocypher
if [ ! -f "$target/monocypher.c" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  archive=$work/pymonocypher-$version.tar.gz
  python3 -m pip --disable-pip-version-check download --quiet --no-deps --no-binary pymonocypher -d "$work" "pymonocypher==$version" >&2
  echo "$sum  $archive" | sha256sum --check --status || { echo "pymonocypher $version has another hash than the pinned one" >&2; exit 1; }
  tar -xzf "$archive" -C "$work"
  mkdir -p "$target.new"
  cp "$work/pymonocypher-$version/"{monocypher.c,monocypher.h,LICENSE.txt} "$target.new"
  rm -rf "$target"
  mv "$target.new" "$target"
fi
echo "$target"
