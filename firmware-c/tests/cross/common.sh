# Sourced by the build scripts of this folder's neighbours. Sets ROOT (firmware-c) and BUILD, defines need, objects, core, bearssl.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${USMP_CROSS_BUILD:-$ROOT/tests/cross/build}

STRICT=(-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wvla -Werror)

# need COMMAND PACKAGE …: ends with a list of what to install.
need() {
  local missing=()
  while [ $# -gt 0 ]; do
    command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "missing tools; install: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 3
}

# emulate COMMAND…: bounded by processor time, which other work on the machine does not use up. The hour catches an emulator
# that sleeps without end.
emulate() {
  (ulimit -t 1800 && exec timeout 3600 "$@")
}

# objects FOLDER COMPILER… -- SOURCES…: compiles each source into the folder.
objects() {
  local folder=$1 compiler=() source
  shift
  while [ "$1" != -- ]; do compiler+=("$1"); shift; done
  shift
  rm -rf "$folder"
  mkdir -p "$folder"
  for source in "$@"; do
    "${compiler[@]}" -c "$source" -o "$folder/$(basename "${source%.*}").o"
  done
}

# core FOLDER COMPILER…: the engine, without a crypto library.
core() {
  objects "$@" "${STRICT[@]}" -I"$ROOT/include" -- "$ROOT"/src/*.c
}

# The parts of BearSSL behind crypto/bearssl.c, and its random generator for the bare boards.
BEARSSL_SOURCES=(
  ec/ec_c25519_m31 codec/ccopy hash/sha2small hash/sha2big codec/dec32be codec/enc32be codec/dec64be codec/enc64be mac/hmac rand/hmac_drbg aead/gcm hash/ghash_ctmul32
  symcipher/aes_ct symcipher/aes_ct_enc symcipher/aes_ct_ctr symcipher/chacha20_ct symcipher/poly1305_ctmul32
)

# bearssl FOLDER COMPILER…: that library for another processor.
bearssl() {
  local source
  source=$("$ROOT/tests/cross/debian_source.sh" bearssl)
  BEARSSL_INCLUDE=$source/inc
  local files=("${BEARSSL_SOURCES[@]/#/$source/src/}")
  objects "$@" -w -I"$source/inc" -I"$source/src" -- "${files[@]/%/.c}"
}
