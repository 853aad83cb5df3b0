#!/usr/bin/env bash
# Compiles the ESP-IDF component and its examples against the headers of this folder, warnings as errors.
# usage: build.sh rv32|xtensa|host FOLDER [NAME=VALUE of Kconfig]…
source "$(dirname "$0")/../cross/common.sh"
need cmake cmake /usr/bin/python3 python3 make make
[ -f /usr/include/jsmn.h ] || { echo "missing; install: apt-get install --no-install-recommends libjsmn-dev" >&2; exit 3; }
[ -f /usr/include/psa/crypto.h ] || { echo "missing; install: apt-get install --no-install-recommends libmbedtls-dev" >&2; exit 3; }

target=$1
out=$2
shift 2
stubs=$ROOT/tests/esp_stubs
mkdir -p "$out/psa_include"
# mbedTLS's headers and jsmn's alone, without the rest of the host's.
ln -sfn /usr/include/psa "$out/psa_include/psa"
ln -sfn /usr/include/mbedtls "$out/psa_include/mbedtls"
ln -sfn /usr/include/jsmn.h "$out/psa_include/jsmn.h"
/usr/bin/python3 "$stubs/sdkconfig.py" "$out/config" "$ROOT/Kconfig" "$ROOT"/examples/esp_idf/*/main/Kconfig.projbuild -- "$@"

options=(-DSDKCONFIG="$out/config" -DPSA_INCLUDE="$out/psa_include")
case " $* " in
  *" USMP_OTA_SODIUM=y "*) ln -sfn /usr/include/sodium.h "$out/psa_include/sodium.h" && ln -sfn /usr/include/sodium "$out/psa_include/sodium" ;;
  *" USMP_OTA=y "*) options+=(-DUSMP_MONOCYPHER="$("$ROOT/tests/cross/monocypher_source.sh")") ;;
esac
bare=(-DCMAKE_SYSTEM_NAME=Generic -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY)
case $target in
  rv32)
    need riscv64-unknown-elf-gcc "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
    options+=("${bare[@]}" -DCMAKE_C_COMPILER=riscv64-unknown-elf-gcc
      "-DCMAKE_C_FLAGS=-march=rv32imc -mabi=ilp32 -specs=picolibc.specs -ffunction-sections -fdata-sections")
    ;;
  xtensa)
    need xtensa-lx106-elf-gcc "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf"
    options+=("${bare[@]}" -DCMAKE_C_COMPILER=xtensa-lx106-elf-gcc
      "-DCMAKE_C_FLAGS=-mlongcalls -specs=/usr/lib/xtensa-lx106-elf/picolibc.specs -ffunction-sections -fdata-sections")
    ;;
  host) need gcc gcc ;;
esac
rm -rf "$out/build"
cmake -S "$stubs" -B "$out/build" "${options[@]}" >"$out/cmake.log" 2>&1 || { cat "$out/cmake.log" >&2; exit 1; }
cmake --build "$out/build" -j2 >"$out/build.log" 2>&1 || { cat "$out/build.log" >&2; exit 1; }
