// The C core on an emulated rv32imc chip, for the matrix (README.md). The chip has a UART and nothing else:
// - serial: QEMU opens the port itself;
// - tcp: the chip speaks the framing of TCP, this program copies its bytes to and from the socket;
// - udp: the chip writes each datagram behind its length, this program carries it on.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream'
import { identity, machine } from './board.mjs'
import { endWithInput, finish, readOptions, readPsk, say } from './contract.mjs'

const options = readOptions('image')
const server = options.role === 'server'
const [, host, port] = /^(.*):(\d+)$/.exec(options.at) ?? []
endWithInput()

/** The UART is the file that QEMU finds open behind the usual three. */
const HANDED_OVER = 'socket,id=uart,fd=3'

/** Switches the chip on; `ready` is called when it waits for a client, `done` when it has ended. */
function start(uart, { ready = () => {}, done = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-rv32-'))
  const loaded = join(folder, 'identity')
  writeFileSync(loaded, identity(options.id, readPsk(options['psk-file'])), { mode: 0o600 })
  const asked = [options.role, options.transport, options.suite, ...(options.rekey ? ['rekey'] : [])]
  const said = `enable=on,target=native,chardev=words,${asked.map((word) => `arg=${word}`).join(',')}`
  const lines = ['-chardev', uart, '-serial', 'chardev:uart', '-chardev', 'stdio,id=words,signal=off']
  const args = [...machine(options.image, loaded), ...lines, '-semihosting-config', said]
  const chip = spawn('qemu-system-riscv32', args, { stdio: ['pipe', 'pipe', 'inherit', 'pipe'] })
  process.on('exit', () => {
    chip.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  let end = 'the chip ended without a word'
  createInterface({ input: chip.stdout }).on('line', (line) => {
    const [word, detail] = line.split(' ')
    if (word === 'listening') ready()
    else if (word === 'closed') end = detail
    else if (word === 'log') process.stderr.write(`${line}\n`)
    else say(line.trimEnd())
  })
  // Its last bytes have left by then.
  chip.on('close', async () => {
    await done()
    finish(end)
  })
  // A chip that is off does not read what its peer still says; and neither does a peer that is gone.
  return chip.stdio[3].on('error', () => {})
}

function serial() {
  start(`serial,id=uart,path=${options.at}`, { ready: () => say('listening', 0) })
}

/** Copies both ways; the end of either is for the chip to tell. */
function couple(socket, uart) {
  socket.on('error', () => {})
  socket.pipe(uart, { end: false }).pipe(socket, { end: false })
}

/** Closes a socket when it has taken all. */
function closed(socket) {
  return new Promise((resolve) => finished(socket.end(), { readable: false }, resolve))
}

async function tcp() {
  if (!server) {
    const socket = connect(Number(port), host)
    await once(socket, 'connect')
    return couple(socket, start(HANDED_OVER, { done: () => closed(socket) }))
  }
  const listener = createServer().listen(Number(port), host)
  await once(listener, 'listening')
  const connection = once(listener, 'connection')
  const uart = start(HANDED_OVER, {
    ready: () => say('listening', listener.address().port),
    done: async () => closed((await connection)[0]),
  })
  couple((await connection)[0], uart)
}

async function udp() {
  const socket = createSocket('udp4')
  let peer = server ? undefined : { address: host, port: Number(port) }
  socket.bind(server ? Number(port) : 0, host)
  await once(socket, 'listening')
  const uart = start(HANDED_OVER, {
    ready: () => say('listening', socket.address().port),
    done: () => new Promise((resolve) => socket.close(resolve)),
  })
  socket.on('message', (datagram, from) => {
    peer ??= from
    if (from.port !== peer.port) return
    uart.write(Buffer.concat([Buffer.of(datagram.length >> 8, datagram.length & 0xff), datagram]))
  })
  let unsent = Buffer.alloc(0)
  uart.on('data', (chunk) => {
    unsent = Buffer.concat([unsent, chunk])
    while (unsent.length >= 2 && unsent.length >= 2 + unsent.readUInt16BE()) {
      const end = 2 + unsent.readUInt16BE()
      socket.send(unsent.subarray(2, end), peer.port, peer.address)
      unsent = unsent.subarray(end)
    }
  })
}

await { serial, tcp, udp }[options.transport]()
