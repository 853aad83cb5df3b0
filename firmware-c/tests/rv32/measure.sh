#!/usr/bin/env bash
# Instructions and stack on rv32imc under QEMU: one "BACKEND OPERATION INSTRUCTIONS STACK" a line, and of each image
# "BACKEND map PATH".
source "$(dirname "$0")/common.sh"

measure() {
  local backend=$1 link_image=$2
  shift 2
  $link_image "$OUT/measure-$backend.elf" "$@" -I"$ROOT/tests" "$ROOT/tests/rv32/measure.c" \
    -Wl,--defsym=__stack_size=32K -Wl,-Map="$OUT/measure-$backend.map"
  emulate "${QEMU[@]}" -kernel "$OUT/measure-$backend.elf" </dev/null | tr -d '\r' | sed "s/^/$backend /"
  echo "$backend map $OUT/measure-$backend.map"
}

libraries
measure bearssl image
measure core image -DMEASURE_CORE
libraries psa
measure psa image_psa
