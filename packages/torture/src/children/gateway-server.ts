// A gateway with its store in a folder, led by its parent. Usage: gateway-server.js FOLDER BROKER-URL [--jump]
import { type Actor, GatewayError, openStore, startGateway } from '@usmp/gateway'
import { say, serveCommands } from './control-channel.js'
import { letClockJump } from './jumping-clock.js'

const [folder, url, jump] = process.argv.slice(2) as [string, string, string | undefined]
if (jump === '--jump') letClockJump()

const ADMIN: Actor = { name: 'admin', role: 'admin' }
const store = await openStore(folder)
const gateway = await startGateway({ store, mqtt: { url } })

/** The code of a refusal, or null. */
async function codeOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof GatewayError) return error.code
    throw error
  }
}

async function approveAll(psk: string): Promise<void> {
  for (const { id, knock } of gateway.devices()) {
    if (!knock) continue
    // The device may knock once more meanwhile: what is approved is its newest proof.
    const { proofId } = gateway.device(id).knock ?? knock
    await gateway.approve(ADMIN, id, { proofId, psk, name: `name of ${id}` })
    say('approved', { id })
  }
}

await serveCommands({
  devices: () => gateway.devices(),
  system: () => gateway.system(),
  join: () => gateway.joinWindow(),
  openJoin: (minutes: number) => gateway.openJoin(ADMIN, { minutes }),
  register: (id: string, psk: string) => gateway.register(ADMIN, { id, psk }),
  change: (id: string, settings: { name?: string; idleLimit?: number }) =>
    codeOf(gateway.change(ADMIN, id, { ...settings, rev: gateway.device(id).rev })),
  /** Begins to approve all that wait, one after another, and says of each when it is done. */
  approveAll(psk: string) {
    void approveAll(psk).catch((error) => say('fault', { error: String(error) }))
  },
  async removeAll() {
    for (const { id, rev } of gateway.devices()) if (rev > 0) await gateway.remove(ADMIN, id, { rev })
  },
  audit: async () => ({ ...(await store.audit.verify()), approved: [...(await approvedByLog())] }),
})

/** Who is approved, as the audit log tells it. */
async function approvedByLog(): Promise<Set<string>> {
  const approved = new Set<string>()
  for await (const { action, object, result } of store.audit.entries()) {
    if (result !== 'ok') continue
    if (action === 'device.approve') approved.add(object)
    if (action === 'device.remove') approved.delete(object)
  }
  return approved
}
