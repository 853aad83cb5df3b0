#!/usr/bin/env bash
# All tests of this machine with mbedTLS 3.6 behind PSA, as ESP-IDF 5 has it, in its default configuration. The source is that
# of Debian's release "trixie"; the package of this machine's release may be older.
source "$(dirname "$0")/common.sh"
need gcc gcc cmake cmake make make ar binutils
cmocka=$(find /usr/lib -name 'libcmocka.so' -print -quit)
[ -n "$cmocka" ] || { echo "missing; install: apt-get install --no-install-recommends libcmocka-dev" >&2; exit 3; }

source=$("$ROOT/tests/cross/debian_source.sh" mbedtls trixie)
out=$BUILD/mbedtls36
version=$(sed -n 's/^#define MBEDTLS_VERSION_STRING  *"\(.*\)"/\1/p' "$source/include/mbedtls/build_info.h")
if [ ! -f "$out/libmbedcrypto.a" ]; then
  files=()
  for file in "$source"/library/*.c; do
    case ${file##*/} in ssl_* | x509* | mps_* | net_sockets.c | pkcs7.c | debug.c) ;; *) files+=("$file") ;; esac
  done
  objects "$out/objects" gcc -O1 -w -I"$source/include" -I"$source/library" -- "${files[@]}"
  ar rcs "$out/libmbedcrypto.a" "$out"/objects/*.o
fi
cmake -S "$ROOT" -B "$out/build" -DMBEDCRYPTO="$out/libmbedcrypto.a" -DPSA_HEADERS="$source/include" -DBEARSSL=NO
cmake --build "$out/build" -j2
ctest --test-dir "$out/build" --output-on-failure
echo "mbedTLS $version: every test passed"
