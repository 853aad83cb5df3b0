# Sourced by the scripts of this folder: the compiler for rv32imc, as the ESP32-C3 has it, and the board of ports/bare/qemu_virt.
source "$(dirname "${BASH_SOURCE[0]}")/../cross/common.sh"
need riscv64-unknown-elf-gcc "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf" qemu-system-riscv32 qemu-system-misc python3 python3

BOARD=$ROOT/ports/bare/qemu_virt
OUT=$BUILD/rv32
RV32=(riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -mcmodel=medany -specs=picolibc.specs -Os -ffunction-sections -fdata-sections)
RV32_LINK=("${RV32[@]}" -nostartfiles -T "$BOARD/virt.ld" -Wl,--gc-sections -Wl,--no-warn-rwx-segments)
QEMU=(qemu-system-riscv32 -M virt -cpu rv32,a=false,f=false,d=false -nographic -bios none -icount shift=0)
mkdir -p "$OUT"

# libraries [psa]: compiles the engine and a crypto library, BearSSL or mbedTLS.
libraries() {
  core "$OUT/usmp" "${RV32[@]}"
  if [ "${1:-bearssl}" = psa ]; then mbedtls; else bearssl "$OUT/bearssl" "${RV32[@]}"; fi
}

mbedtls() {
  local source
  source=$("$ROOT/tests/cross/debian_source.sh" mbedtls)
  MBEDTLS=(-DMBEDTLS_CONFIG_FILE='"mbedtls_config.h"' -I"$ROOT/tests/rv32" -isystem "$source/include")
  objects "$OUT/mbedtls" "${RV32[@]}" -w "${MBEDTLS[@]}" -I"$source/library" -- \
    "$source"/library/{aes,bignum,chacha20,chachapoly,cipher,cipher_wrap,constant_time,ecdh,ecp,ecp_curves,gcm,hmac_drbg,md,memory_buffer_alloc,platform,platform_util,poly1305,sha256}.c \
    "$source"/library/psa_*.c
}

# JSON_RPC: the flags of what uses rpc/. jsmn's header is copied, because next to it in its folder are those of this machine's C library.
json_rpc_headers() {
  JSMN_HEADER=${JSMN_HEADER:-/usr/include/jsmn.h}
  [ -f "$JSMN_HEADER" ] || { echo "missing; install: apt-get install --no-install-recommends libjsmn-dev" >&2; exit 3; }
  mkdir -p "$OUT/jsmn"
  cp "$JSMN_HEADER" "$OUT/jsmn/jsmn.h"
  JSON_RPC=(-I"$ROOT/rpc" -isystem "$OUT/jsmn")
}

# image OUT.elf FLAGS and SOURCES…: links with the board, the engine and BearSSL.
image() {
  link_with_board "$@" "$ROOT/crypto/bearssl.c" -isystem "$BEARSSL_INCLUDE" "$OUT"/bearssl/*.o
}

# The same with mbedTLS behind PSA.
image_psa() {
  link_with_board "$@" -DUSMP_TEST_psa "${MBEDTLS[@]}" "$ROOT/crypto/psa.c" "$ROOT/tests/rv32/psa_board.c" "$OUT"/mbedtls/*.o
}

link_with_board() {
  local elf=$1
  shift
  "${RV32_LINK[@]}" "${STRICT[@]}" -I"$ROOT/include" -I"$BOARD" "$@" "$BOARD/start.S" "$BOARD/board.c" "$OUT"/usmp/*.o -o "$elf"
}
