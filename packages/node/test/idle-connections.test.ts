import { EventEmitter } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { expect, test } from 'vitest'
import { IdleConnections } from '../src/idle-connections.ts'

/** A socket as Node gives it; without an address if it was reset before it was accepted. */
class FakeSocket extends EventEmitter {
  destroyed = false
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined

  constructor(port?: number) {
    super()
    if (port === undefined) return
    this.remoteAddress = '127.0.0.1'
    this.remotePort = port
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

test('connections that were reset before they were accepted do not switch off the limit of idle ones', () => {
  const http = new EventEmitter()
  const ended: string[] = []
  const idle = new IdleConnections(http as unknown as HttpServer, 5, (address) => ended.push(address))
  const reset = Array.from({ length: 100 }, () => new FakeSocket())
  for (const socket of reset) http.emit('connection', socket)
  for (const socket of reset) socket.emit('close')
  ended.length = 0
  const silent = Array.from({ length: 20 }, (_, port) => new FakeSocket(port + 1))
  for (const socket of silent) http.emit('connection', socket)
  expect(silent.filter(({ destroyed }) => !destroyed)).toHaveLength(5)
  expect(ended).toHaveLength(15)
  idle.stop()
})
