import { connect, type Socket } from 'node:net'
import { until } from '@usmp/testing'
import { expect, it, onTestFinished } from 'vitest'
import { startTestServer } from './start.js'

const MAX_PER_ADDRESS = 64

/** Connections that say nothing, from an address of this machine. */
function idle(port: number, count: number, localAddress: string) {
  const sockets: Socket[] = []
  const closed = new Set<Socket>()
  for (let i = 0; i < count; i++) {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    socket.once('close', () => closed.add(socket))
    sockets.push(socket)
  }
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()))
  return { sockets, closed }
}

/** What the server answers to somebody at an address of this machine; empty if it hangs up. */
function answer(port: number, localAddress: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`)
  return new Promise((resolve) => socket.once('close', () => resolve(text.split('\r\n')[0]!)))
}

it('one host that holds all the connections that it may keeps nobody else off the page', async () => {
  const { port } = await startTestServer()
  const { sockets, closed } = idle(port, MAX_PER_ADDRESS + 8, '127.0.0.2')
  await until(() => closed.size === 8)
  expect(await answer(port, '127.0.0.2')).toBe('')
  expect(await answer(port, '127.0.0.3')).toMatch(/^HTTP\/1\.1 /)
  sockets.find((socket) => !closed.has(socket))!.destroy()
  // The server hears of that a little later.
  let line = ''
  while (line === '') line = await answer(port, '127.0.0.2')
  expect(line).toMatch(/^HTTP\/1\.1 /)
})

it('behind a proxy all come from one address, and none is counted', async () => {
  const { port } = await startTestServer({ behindProxy: 'https://gateway.example.org' })
  const { closed } = idle(port, MAX_PER_ADDRESS + 8, '127.0.0.2')
  expect(await answer(port, '127.0.0.2')).toMatch(/^HTTP\/1\.1 /)
  expect(closed.size).toBe(0)
})
