import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { implementations, type MatrixTransport, transports } from '../matrix/implementations.js'
import { knownFailures } from '../matrix/known-failures.js'
import { type Cell, rekeys } from './matrix.js'

const names: Record<MatrixTransport, string> = {
  tcp: 'TCP',
  udp: 'UDP',
  ws: 'WebSocket',
  serial: 'Serial line (two pseudo-terminals)',
}

/** Writes the tables of docs/conformance.md from a run. */
export function writeDocument(path: string, all: readonly Cell[], passed: ReadonlySet<Cell>): void {
  const good = all.filter((cell) => passed.has(cell)).length
  const text = `# Who talks with whom

Written by \`pnpm --dir packages/conformance run matrix\`; do not edit. ${all.length} test runs, ${good} of them good. Each is a session between two
programs: a handshake, messages of 0, 1, 452, 453 and 1808 bytes that come back unchanged, a PING with its PONG, where the table says so a REKEY and the
five messages again, and BYE. Both ends must name the same session and say that it ended well. [The
contract](../packages/conformance/matrix/README.md) is open to programs of others.

| implementation | version |
|---|---|
${versions()}

In the tables the client stands at the left, the server above: \`A\` is AES-256-GCM, \`C\` is ChaCha20-Poly1305, \`+\` is with a rekey, **✗** failed, and an empty
field means that one of the two has not got the transport.

${transports.map((transport) => table(transport, all, passed)).join('\n')}
## What is not played, and why

| what | why |
|---|---|
${known()}
| REKEY and ChaCha20-Poly1305 with Python 1.1.0 and 1.0.0 | these releases have neither |
| Python over WebSocket and serial lines | the package has neither |
| Python before 1.0.0 | wire version 1, played in \`published-peers.test.ts\` behind the unsafe option |
| C over WebSocket | the C core carries none; a WebSocket library of the application can |
| a page as a server | pages have no listening socket; over a message port and Web Serial a page is one in \`packages/browser/test\` |
| C on rv32 with PSA | the chip is built with BearSSL alone; the vectors pass there with PSA too (\`firmware-c/tests/rv32/vectors.sh psa\`) |
| a network on the chip | the board of QEMU that is used has none. The chip speaks the framing, the acknowledgements and the cookies of TCP and UDP over its UART, and [a program](../packages/conformance/matrix/rv32.mjs) carries bytes and datagrams between UART and socket |

## Where the core runs

The core's own suite, 2667 tests when this was written, passes on Node.js 20 (in every run of the tests) and, by \`pnpm run runtimes\`, on Node.js 22.23.3 and
24.21.0, Bun 1.4.5 and Deno 2.9.6.

The lossy network is not in these tables: \`c-udp.test.ts\` and \`udp.test.ts\` play C and Python through a relay that loses, doubles and delays, and
[reliability](reliability.md) has the figures.
`
  writeFileSync(path, text)
}

function table(transport: MatrixTransport, all: readonly Cell[], passed: ReadonlySet<Cell>): string {
  const clients = implementations.filter(({ client }) => client.includes(transport))
  const servers = implementations.filter(({ server }) => server.includes(transport))
  const field = (client: string, server: string) =>
    all
      .filter((cell) => cell.transport === transport && cell.client.name === client && cell.server.name === server)
      .map((cell) => {
        const suite = cell.suite === 'aes' ? 'A' : 'C'
        return passed.has(cell) ? `${suite}${rekeys(cell) ? '+' : ''}` : `**✗ ${suite}**`
      })
      .join(' ')
  const rows = clients.map(
    ({ name }) => `| ${[name, ...servers.map((server) => field(name, server.name))].join(' | ')} |`,
  )
  return `## ${names[transport]}

| | ${servers.map(({ name }) => name).join(' | ')} |
|---|${servers.map(() => '---|').join('')}
${rows.join('\n')}
`
}

function known(): string {
  return knownFailures
    .map(({ peer, transport, step, why }) => `| ${peer} over ${names[transport]}: ${step.toUpperCase()} | ${why} |`)
    .join('\n')
}

function versions(): string {
  const said = (command: string, ...args: string[]) =>
    execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n')[0]!
  const debian = (name: string) => `${name} ${said('dpkg-query', '--show', name).split('\t')[1]}`
  const rows = [
    ['TypeScript', `this repository; Node.js ${process.version}`],
    ['Chromium', said('chromium', '--version')],
    ['C', `this repository; ${debian('libmbedtls-dev')} for PSA, ${debian('libbearssl-dev')}`],
    [
      'C on rv32',
      `the same, ${said('riscv64-unknown-elf-gcc', '--version')}, on ${said('qemu-system-riscv32', '--version')}`,
    ],
    ['Python', 'the releases named, from the package index'],
  ]
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}
