// Devices of a gateway, each with a connection of its own to the broker. Usage: gateway-devices.js BROKER-URL PSK ID …
import { deviceApi } from '@usmp/gateway'
import { mqttSessions } from '@usmp/mqtt'
import type { Session } from '@usmp/node'
import { rpc } from '@usmp/rpc'
import { say, serveCommands } from './control-channel.js'

const [url, psk, ...ids] = process.argv.slice(2) as [string, string, ...string[]]
const current = new Map<string, Session>()

async function live(deviceId: string): Promise<void> {
  const options = { broker: { url }, site: 'home', deviceId, psk: Buffer.from(psk, 'hex'), handshakeTimeout: 3_000 }
  for await (const session of mqttSessions({ ...options, longestRefusalPause: 2_000 })) {
    current.set(deviceId, session)
    say('session', { id: deviceId })
    await rpc(session, { serves: deviceApi, requests: { describe: () => ({ name: 'tortured' }) } }).closed
  }
}

for (const id of ids) live(id).catch((error) => say('fault', { error: String(error) }))
await serveCommands({
  /** Whether the session of each still answers, by id; null without one. */
  async ping() {
    const answers = await Promise.all(
      ids.map(async (id) => {
        const session = current.get(id)
        const answer = session?.ping({ signal: AbortSignal.timeout(10_000) })
        return [id, await answer?.then(() => session?.sessionId).catch(() => null)]
      }),
    )
    return Object.fromEntries(answers)
  },
})
