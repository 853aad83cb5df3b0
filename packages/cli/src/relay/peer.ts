import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { UsmpError } from '@usmp/core'
import { MAX_MESSAGE } from '@usmp/core/constants'
import { writeSecretFile } from '@usmp/node/key-files'
import type { Cover, RelayStatus } from '@usmp/relay'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { readSecretText } from '../secret-text.js'
import type { Stop } from '../stop.js'
import { PeerApi } from './api/server.js'
import { ChannelLine } from './channel-line.js'
import { Conversation } from './conversation.js'
import type { CoverFlag, PeerFlags } from './flags.js'
import type { MessageLine } from './message-line.js'
import { nodeCrypto } from './node-crypto.js'
import { type OtherEnd, otherEnd } from './other-end.js'
import { loadRelay } from './package.js'
import { SessionLine } from './session-line.js'
import { StateReport } from './state-report.js'
import { type Way, wayTo } from './way.js'

/** Bytes of a token of the API. */
const TOKEN_SIZE = 32
/** Bytes; as in the channel of @usmp/relay, which is loaded only when it is needed. */
const MAX_CHANNEL_MESSAGE = 65_536
/** Between two conversations of a service, ms: the other end must not make it turn in circles. */
const BETWEEN_CONVERSATIONS = 500

/** Talks with another end over a relay. */
export async function relayPeerCommand(flags: PeerFlags, output: Output, stop: Stop): Promise<number> {
  check(flags)
  const way = await wayTo(flags)
  try {
    const other = await otherEnd(flags, way, output, stop.signal)
    try {
      return await new Peer(flags, way, other, output, stop).run()
    } finally {
      other.keys.wipe()
    }
  } catch (error) {
    // Calling an attempt off is how a signal ends it early.
    if (stop.signal.aborted && error instanceof UsmpError && error.code === 'ABORTED') return stop.exitCode
    throw error
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
function check(flags: PeerFlags): void {
  const { newCode, code, to, peerFile, pairKeyFile, side, channel, cover, api, apiTokenFile, cert, key } = flags
  const ways = [newCode, code, to, peerFile, pairKeyFile].filter((way) => way !== undefined).length
  const faults: [boolean, string, string][] = [
    [
      ways !== 1,
      ways === 0 ? 'it is not said who the other end is' : 'the other end is given in several ways',
      'Give one of --new-code, --code WORDS, --to NAME, --peer-file FILE and --pair-key-file FILE.',
    ],
    [
      (pairKeyFile === undefined) !== (side === undefined),
      '--pair-key-file and --side belong together',
      'One end of the pair has side 0, the other one 1.',
    ],
    [
      !channel && cover !== undefined,
      '--cover needs the channel, which --no-channel leaves out',
      'Plain sessions send each message at once, as long as it is.',
    ],
    [
      (api === undefined) !== (apiTokenFile === undefined),
      '--api and --api-token-file belong together',
      'The token is made at the first start.',
    ],
    [
      (cert === undefined) !== (key === undefined),
      '--cert and --key belong together',
      'One is your certificate, the other its private key.',
    ],
  ]
  for (const [isFault, message, hint] of faults) if (isFault) throw new UsmpError('INVALID_ARGUMENT', message, { hint })
}

/** One peer as a program: states on stderr, messages by stdin and stdout or by the API. */
class Peer {
  readonly #flags: PeerFlags
  readonly #way: Way
  readonly #other: OtherEnd
  readonly #output: Output
  readonly #stop: Stop
  readonly #report: StateReport
  #api: PeerApi | undefined
  #line: MessageLine | undefined
  #conversation: Conversation | undefined

  constructor(flags: PeerFlags, way: Way, other: OtherEnd, output: Output, stop: Stop) {
    this.#flags = flags
    this.#way = way
    this.#other = other
    this.#output = output
    this.#stop = stop
    this.#report = new StateReport(other.name, way.relay, output)
  }

  async run(): Promise<number> {
    const { api } = this.#flags
    if (!api) return this.#converse()
    this.#api = await this.#startApi()
    try {
      // A service is there for the next conversation too.
      while (!this.#stop.signal.aborted) {
        await this.#converse()
        await sleep(BETWEEN_CONVERSATIONS, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
      return ExitCode.OK
    } finally {
      await this.#api.close()
    }
  }

  async #converse(): Promise<number> {
    const line = await this.#open()
    this.#line = line
    const conversation = new Conversation({
      line,
      peer: this.#other.name,
      output: this.#output,
      stop: this.#stop,
      ...(this.#api ? { input: undefined } : { input: process.stdin }),
      onMessage: (message) => this.#api?.received(message),
    })
    this.#conversation = conversation
    const exitCode = await conversation.run()
    if (this.#stop.signal.aborted && !this.#report.hasBeenOnline) return this.#stop.exitCode
    const { name } = this.#other
    this.#output.status(conversation.endedByPeer ? `ended by ${name}` : 'ended', { event: 'ended', peer: name })
    return exitCode
  }

  async #open(): Promise<MessageLine> {
    const { RelayPeer, relaySessions } = await loadRelay()
    const { relay, dial, token } = this.#way
    const options = { relay, dial, keys: this.#other.keys, ...(await nodeCrypto()), ...(token ? { token } : {}) }
    const onState = (status: RelayStatus) => this.#onState(status)
    if (!this.#flags.channel) return new SessionLine((signal) => relaySessions({ ...options, onState, signal }))
    const peer = RelayPeer.start({ ...options, cover: coverOf(this.#flags.cover) })
    peer.addEventListener('state', ({ status }) => onState(status))
    return new ChannelLine(peer, this.#other.name, this.#output)
  }

  #onState(status: RelayStatus): void {
    const fault = this.#report.tell(status)
    this.#api?.stateChanged()
    if (fault) this.#conversation?.fail(fault)
  }

  async #startApi(): Promise<PeerApi> {
    const { api, apiTokenFile } = this.#flags
    const running = await PeerApi.start({
      listen: api!,
      token: await apiToken(apiTokenFile!),
      peer: {
        maxMessage: this.#flags.channel ? MAX_CHANNEL_MESSAGE : MAX_MESSAGE,
        trySend: (message, options) => this.#line?.trySend(message, options) ?? false,
        state: () => ({ state: this.#report.state, peer: this.#other.name }),
      },
    })
    this.#output.status(
      `the API is at ${running.url}`,
      { event: 'api', url: running.url },
      `Its token is in ${apiTokenFile}; messages come from there, and not from stdin.`,
    )
    return running
  }
}

/** The token in a file, which is made if it is not there. */
async function apiToken(file: string): Promise<string> {
  try {
    return await readSecretText(file)
  } catch (error) {
    if (((error as UsmpError).cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') throw error
  }
  const token = randomBytes(TOKEN_SIZE).toString('base64url')
  await writeSecretFile(file, `${token}\n`)
  return token
}

function coverOf(flag: CoverFlag = 'off'): Cover {
  return typeof flag === 'number' ? { mode: 'schedule', rate: flag } : { mode: flag }
}
