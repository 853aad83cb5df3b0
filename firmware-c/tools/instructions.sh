#!/bin/sh
# Instructions of a handshake and of sealing and opening a message, counted by callgrind on this machine.
# usage: instructions.sh BUILD_DIR
set -eu
build=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

printf '%-24s %14s %14s\n' operation PSA BearSSL
for operation in client server seal-64-aes open-64-aes seal-452-aes open-452-aes \
  seal-64-chacha open-64-chacha seal-452-chacha open-452-chacha; do
  printf '%-24s' "$operation"
  for backend in psa bearssl; do
    valgrind --tool=callgrind --callgrind-out-file="$dir/out" --toggle-collect=measured \
      "$build/tests/count_$backend" "$operation" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
    printf ' %14s' "$(sed -n 's/.*Collected : //p' "$dir/log")"
  done
  printf '\n'
done
