#!/bin/sh
# The C core on a Debian machine. usage: check.sh host|all [WORK_DIR]
# `host`: unit tests and vectors with gcc. `all`: everything that can be run.
# It takes a compiler, CMake, Python, libmbedtls-dev and libbearssl-dev. Checks that take more are left out, and named, where
# that is missing: clang clang-format libclang-rt-14-dev libcmocka-dev libjsmn-dev libmosquitto-dev libwebsockets-dev valgrind cppcheck, and cross compilers for the sizes.
# USMP_PEER_PYTHON names a python that has the published package usmp 1.2.2, for the cross-play.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
tier=${1:-all}
work=${2:-$(mktemp -d)}
mkdir -p "$work"
passed=0
failed=0

generator='Unix Makefiles'
command -v ninja > /dev/null && generator=Ninja

has() { # TOOL
  case $1 in
    cmocka) echo 'int main(void) { return 0; }' | cc -x c - -lcmocka -o /dev/null 2> /dev/null ;;
    clang-format) clang-format --version 2> /dev/null | grep -q 'version 14\.' ;; # other versions format otherwise
    jsmn) printf '#include <stddef.h>\n#include <jsmn.h>\n' | cc -E - > /dev/null 2>&1 ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

check() { # NAME TOOLS COMMAND...
  name=$1
  for tool in $2; do
    if ! has "$tool"; then
      echo "left out $name: it needs $tool"
      return 1
    fi
  done
  shift 2
  if "$@" > "$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name"
  else
    failed=$((failed + 1))
    echo "FAILED  $name"
    tail -n 40 "$work/log" | sed 's/^/        /'
    return 1
  fi
}

build() { # DIR OPTIONS...
  dir=$work/$1
  shift
  cmake -S "$here" -B "$dir" -G "$generator" "$@" && cmake --build "$dir"
}

build_and_test() {
  build "$@" && ctest --test-dir "$work/$1" --output-on-failure
}

uninitialised() { # the tests that need no crypto library, as that is not compiled with the sanitizer
  tests="test_connection_toy test_datagram_toy test_handshake_toy test_keepalive_toy test_rekey_toy test_faults_toy"
  tests="$tests test_callbacks_toy test_cookie_toy test_lockout_toy test_psk_toy test_usmp test_mqtt test_ws test_discovery"
  cmake -S "$here" -B "$work/memory" -G "$generator" -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS="-fsanitize=memory" || return 1
  # shellcheck disable=SC2086
  cmake --build "$work/memory" --target $tests || return 1
  for test in $tests; do timeout 30 "$(find "$work/memory" -name "$test" -type f)" || return 1; done
}

only_app() {
  build "$@" && "$work/$1/tests/test_posix" && "$work/$1/tests/test_usmp"
}

fuzz() { # TARGET SECONDS: both corpora, then so many seconds of new inputs
  mkdir -p "$work/found/$1" "$here/tests/fuzz/corpus/$1"
  "$work/fuzz/tests/fuzz/fuzz_$1" -max_total_time="$2" -max_len=2048 -artifact_prefix="$work/found/$1/" \
    "$work/found/$1" "$work/corpus/$1" "$here/tests/fuzz/corpus/$1"
}

headers_in_cpp() {
  printf '#include "usmp.h"\n#include "usmp_handshake.h"\n#include "usmp_posix.h"\n#include "usmp_rpc.h"\n#include "usmp_mqtt.h"\n#include "discovery_port.h"\n#include "usmp_ota.h"\nint main() { return 0; }\n' > "$work/headers.cc"
  g++ -std=c++17 -Wall -Wextra -Werror -I"$here/include" -I"$here/ports/posix" -I"$here/rpc" -I"$here/mqtt" -I"$here/mqtt/mosquitto" \
    -I"$here/discovery" -I"$here/discovery/sockets" -I"$here/ota" -fsyntax-only "$work/headers.cc" || return 1
  printf '#include "usmp_relay.h"\nint main() { return 0; }\n' > "$work/headers_ws.cc"
  g++ -std=c++17 -Wall -Wextra -Werror -I"$here/include" -I"$here/ws" -I"$here/ws/libwebsockets" -I"$here/ports/posix" -fsyntax-only "$work/headers_ws.cc"
}

formatted() { # the headers of tests/esp_stubs/include look like those that they stand for
  find "$here" -name '*.[ch]' -not -path '*/build/*' -not -path '*/esp_stubs/include/*' -print0 | xargs -0 clang-format --dry-run --Werror
}

psa_names() { # the PSA back ends and their user know no name that is mbedTLS's own
  for source in crypto/psa.c crypto/psa_locked.c ota/crypto/psa_hashes.c; do
    gcc -std=c11 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$here/tests/psa_api" -I"$here/include" -I"$here/ports/posix" -I"$here/ota" \
      -fsyntax-only "$here/$source" || return 1
  done
}

analyse() {
  cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
    -I"$here/include" -I"$here/rpc" -I"$here/ports/posix" -I"$here/mqtt" -I"$here/mqtt/mosquitto" -I"$here/ws" -I"$here/ws/libwebsockets" \
    "$here/src" "$here/api" "$here/crypto" "$here/ports/posix" "$here"/mqtt/*.c "$here"/mqtt/mosquitto/*.c \
    "$here"/ws/*.c "$here"/ws/libwebsockets/*.c -I"$here/discovery" -I"$here/discovery/sockets" "$here"/discovery/*.c "$here"/discovery/sockets/*.c -I"$here/ota" "$here"/ota/*.c "$here"/ota/crypto/*.c -I"$here/ota/ports/flash" -I"$here/ota/ports/posix" "$here"/ota/ports/flash/*.c "$here"/ota/ports/posix/*.c \
    "$here"/rpc/*.c "$here"/examples/robot/robot.c "$here"/examples/robot/robot_session.c "$here"/examples/robot/posix.c "$here"/examples/posix/key_file.c \
    "$here"/examples/sensor/sensor.c "$here"/examples/sensor/options.c "$here"/examples/sensor/find.c "$here"/examples/sensor/posix.c \
    "$here"/examples/pair/pair.c "$here"/examples/pair/posix.c
}

# Without -fno-pie a constant table of functions would count as data, which a loader relocates; firmware has none.
no_heap_no_globals() { # core, JSON-RPC, discovery, updates and what the ports of MQTT and WebSockets share have neither a reference to the heap or to printf, nor a byte of static memory
  mkdir -p "$work/objects"
  for source in "$here"/src/*.c "$here"/rpc/*.c "$here"/mqtt/*.c "$here"/ws/*.c "$here"/discovery/*.c "$here"/ota/*.c "$here"/ota/ports/flash/*.c; do
    gcc -std=c11 -Os -fno-pie -D_GNU_SOURCE -I"$here/include" -I"$here/ports/posix" -I"$here/rpc" -I"$here/mqtt" -I"$here/mqtt/mosquitto" -I"$here/ws" -I"$here/ws/libwebsockets" -I"$here/discovery" -I"$here/discovery/sockets" -I"$here/ota" -I"$here/ota/ports/flash" -c "$source" -o "$work/objects/$(basename "$source").o" || return 1
  done
  nm "$work"/objects/*.o > "$work/symbols"
  ! grep -E ' U (malloc|calloc|realloc|free|.*printf)$| [bBdDC] ' "$work/symbols"
}

check "gcc, unit tests, vectors" "cmocka jsmn" build_and_test gcc -DCMAKE_C_COMPILER=gcc
if [ "$tier" = host ]; then
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
fi
check "clang, unit tests, vectors" "clang cmocka jsmn" build_and_test clang -DCMAKE_C_COMPILER=clang
check "AddressSanitizer, UndefinedBehaviorSanitizer" "cmocka jsmn" build_and_test sanitize -DUSMP_SANITIZE=ON
check "MemorySanitizer, engine and application layer" "clang cmocka jsmn" uninitialised
check "ThreadSanitizer, application layer" "clang cmocka jsmn" only_app threads -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS=-fsanitize=thread
check "without AES-256-GCM" "cmocka jsmn" build_and_test no-aes -DUSMP_WITH_AES_GCM=OFF
check "without ChaCha20-Poly1305" "cmocka jsmn" build_and_test no-chacha -DUSMP_WITH_CHACHA20_POLY1305=OFF
check "BearSSL alone" "cmocka jsmn" build_and_test only-bearssl -DMBEDCRYPTO=NO
check "mbedTLS alone" "cmocka jsmn" build_and_test only-psa -DBEARSSL=NO
check "format" "clang-format" formatted
check "headers in C++" "g++ jsmn" headers_in_cpp
check "PSA back end against the API alone" "gcc" psa_names
check "cppcheck" "cppcheck" analyse
check "no heap, no globals" "gcc jsmn" no_heap_no_globals
check "fuzz targets" "clang jsmn" build fuzz -DUSMP_FUZZ=ON -DCMAKE_C_COMPILER=clang
check "seed corpus" "" python3 "$here/tests/fuzz/make_corpus.py" "$here/../vectors" "$work/corpus"
for target in deframer handshake session rpc discovery; do check "fuzz $target, ten seconds" "clang jsmn" fuzz $target 10; done
for target in manifest ota; do check "fuzz $target, four seconds" "clang jsmn" fuzz $target 4; done
if [ -n "${USMP_PEER_PYTHON:-}" ]; then
  check "cross-play with the published Python package" "cmocka jsmn" "$here/tests/peer/run.sh" "$work/gcc"
else
  echo "not run: cross-play with the published Python package (USMP_PEER_PYTHON is not set)"
fi
check "sizes" "gcc" python3 "$here/tools/footprint.py" && cat "$work/log"
check "instructions" "valgrind cmocka jsmn" "$here/tools/instructions.sh" "$work/gcc" && cat "$work/log"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
