import {
  type Cover,
  type Dial,
  hostByCode,
  Identity,
  joinByCode,
  PairingCode,
  type PairKeys,
  RelayPeer,
} from '@usmp/relay'

/** Where the two meet. */
export interface Meeting {
  readonly relay: URL
  readonly dial: Dial
}

/** Two people who know each other's key, each with the keys that they share. */
export interface Pair {
  readonly bank: PairKeys
  readonly customer: PairKeys
}

/**
 * The bank makes a code and reads it to its customer, who types it. Nothing but the code is known to both before, and nothing but their
 * identities is needed afterwards.
 */
export async function pairByCode(meeting: Meeting, onCode: (code: string) => void): Promise<Pair> {
  const bank = Identity.generate()
  const customer = Identity.generate()
  const code = PairingCode.generate()
  onCode(code.toString())
  const [guest, host] = await Promise.all([
    hostByCode({ ...meeting, code, identity: bank, name: 'bank' }),
    joinByCode({ ...meeting, code: PairingCode.parse(code.toString()), identity: customer, name: 'customer' }),
  ])
  const keys = { bank: bank.pairWith(guest.publicKey), customer: customer.pairWith(host.publicKey) }
  bank.wipe()
  customer.wipe()
  return keys
}

/** The two at the relay, each with a channel to the other one. */
export class Talk {
  readonly #bank: RelayPeer
  readonly #customer: RelayPeer

  constructor(meeting: Meeting, { bank, customer }: Pair, cover: Cover, onRead: (text: string) => void) {
    this.#bank = RelayPeer.start({ ...meeting, keys: bank, cover })
    this.#customer = RelayPeer.start({ ...meeting, keys: customer, cover })
    void read(this.#bank, (text) => onRead(`customer: ${text}`))
    void read(this.#customer, (text) => onRead(`bank: ${text}`))
  }

  /** Resolves when both have a session. */
  async online(): Promise<void> {
    await Promise.all([isOnline(this.#bank), isOnline(this.#customer)])
  }

  say(who: 'bank' | 'customer', text: string): Promise<void> {
    return (who === 'bank' ? this.#bank : this.#customer).channel.send(text)
  }

  /** Everything that was said has been read. */
  async flush(): Promise<void> {
    await Promise.all([this.#bank.channel.flush(), this.#customer.channel.flush()])
  }

  async close(): Promise<void> {
    await Promise.all([this.#bank.close(), this.#customer.close()])
  }
}

async function read({ channel }: RelayPeer, onRead: (text: string) => void): Promise<void> {
  for await (const message of channel) onRead(new TextDecoder().decode(message))
}

function isOnline(peer: RelayPeer): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (peer.state !== 'online') return
      peer.removeEventListener('state', look)
      resolve()
    }
    peer.addEventListener('state', look)
    look()
  })
}
