import { asUsmpError, UsmpError } from '@usmp/core'
import { assertPeerName, hostByCode, joinByCode, type KnownPeer, PairingCode, type RelayStatus } from '@usmp/relay'
import { browserDial } from '@usmp/relay/browser'
import { byId, say } from '../../shared/dom.ts'
import { Chat } from './chat.ts'
import { CodeCard } from './code-card.ts'
import { Conversation } from './conversation.ts'
import { FrameLog } from './frame-log.ts'
import { openIdentity, type PageIdentity } from './identity-store.ts'
import { showKnownPeers } from './known-list.ts'
import { observedDial } from './observed-dial.ts'
import { PeerCard } from './peer-card.ts'
import { isolated, ProblemPanel, problemOf } from './problem.ts'
import { RelayFields } from './relay-options.ts'
import { RelayView } from './relay-view.ts'
import { StateLine } from './state-line.ts'
import { defaultName, showOwnIdentity } from './who-card.ts'

const SCREENS = ['meet', 'code-card', 'talk'] as const
type Screen = (typeof SCREENS)[number]

/** Somebody on the route does not hold the key of the pair. */
const WRONG_PROOF: readonly UsmpError['code'][] = ['AUTH_FAILED', 'UNKNOWN_DEVICE']

/** It goes on by itself only when somebody does something. */
const A_PERSON_HELPS: readonly UsmpError['code'][] = ['RELAY_REFUSED', 'REPLACED']

/** The page: one pairing or one conversation at a time. */
class App {
  readonly #own: PageIdentity
  readonly #log = new FrameLog()
  readonly #dial = observedDial(browserDial(), this.#log)
  readonly #name = byId<HTMLInputElement>('own-name')
  readonly #relay = new RelayFields()
  readonly #state = new StateLine()
  readonly #problem = new ProblemPanel()
  readonly #code = new CodeCard(() => this.#pairing?.abort())
  readonly #chat = new Chat((text) => void this.#conversation?.say(text))
  readonly #peerCard = new PeerCard({ verified: () => void this.#verify(), different: () => this.#tellDifference() })
  readonly #view = new RelayView(this.#log, (cover) => this.#conversation?.setCover(cover))
  #pairing: AbortController | undefined
  #conversation: Conversation | undefined
  #peer: KnownPeer | undefined

  constructor(own: PageIdentity) {
    this.#own = own
    this.#name.value = defaultName(own)
    showOwnIdentity(own)
    on('show-form', 'submit', () => void this.#host())
    on('enter-form', 'submit', () => void this.#join())
    on('leave', 'click', () => void this.#conversation?.leave())
    on('again', 'click', () => this.#peer && this.#talk(this.#peer))
    on('back', 'click', () => this.#showMeeting())
    on('forget-all', 'click', () => void own.forget().then(() => location.reload()))
    this.#showMeeting()
    requestAnimationFrame((now) => this.#draw(now))
  }

  // ─── meeting ───

  #showMeeting(): void {
    this.#conversation = undefined
    this.#state.show('idle')
    showKnownPeers(this.#own.peers.list(), {
      talk: (peer) => this.#talk(peer),
      forget: (peer) => void this.#forget(peer),
    })
    showScreen('meet')
  }

  async #host(): Promise<void> {
    try {
      assertPeerName(this.#name.value)
      const code = PairingCode.generate()
      this.#code.show(code, this.#relay.choice)
      showScreen('code-card')
      byId('code-title').focus()
      await this.#pair(hostByCode, code)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #join(): Promise<void> {
    const field = byId<HTMLInputElement>('code-input')
    const fault = byId('code-fault')
    say(fault, undefined)
    let code: PairingCode
    try {
      code = PairingCode.parse(field.value)
    } catch (error) {
      say(fault, (error as Error).message)
      field.focus()
      return
    }
    try {
      assertPeerName(this.#name.value)
      field.value = ''
      await this.#pair(joinByCode, code)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #pair(meet: typeof hostByCode, code: PairingCode): Promise<void> {
    this.#problem.hide()
    this.#pairing?.abort()
    const pairing = new AbortController()
    this.#pairing = pairing
    this.#state.show('connecting')
    const paired = await meet({
      ...this.#relay.choice,
      dial: this.#dial,
      code,
      identity: this.#own.identity,
      name: this.#name.value,
      signal: pairing.signal,
      onWaiting: () => this.#state.show('waiting'),
      onRetry: () => this.#state.show('away'),
    })
    this.#pairing = undefined
    const peer = this.#learn(paired)
    await this.#save()
    this.#talk(peer)
  }

  /** @throws UsmpError IDENTITY_CHANGED, after the page has shown what to do */
  #learn(paired: Parameters<PageIdentity['peers']['learn']>[0]): KnownPeer {
    try {
      return this.#own.peers.learn(paired, new Date())
    } catch (error) {
      if (!(error instanceof UsmpError && error.code === 'IDENTITY_CHANGED')) throw error
      const name = isolated(paired.name)
      this.#problem.show({
        title: `${name} has another identity than before`,
        text: `You know somebody else under the name ${name}. Nothing was said, and nothing was changed. (IDENTITY_CHANGED)`,
        advice: `Ask ${name} by another way, by phone for example, whether it has a new identity. If so, forget the old one and meet again by a new code. If not, somebody poses as ${name}.`,
        act: { label: 'Forget the old identity', run: () => void this.#forgetName(paired.name) },
      })
      throw error
    }
  }

  #fail(error: unknown): void {
    const fault = asUsmpError(error, 'INVALID_ARGUMENT')
    if (fault.code !== 'ABORTED' && fault.code !== 'IDENTITY_CHANGED') this.#problem.show(problemOf(fault))
    this.#pairing = undefined
    this.#showMeeting()
  }

  async #forget({ name }: KnownPeer): Promise<void> {
    await this.#forgetName(name)
  }

  async #forgetName(name: string): Promise<void> {
    this.#own.peers.forget(name)
    await this.#save()
    this.#showMeeting()
  }

  async #save(): Promise<void> {
    try {
      await this.#own.save()
    } catch (error) {
      this.#problem.show({
        title: 'This browser did not keep it',
        text: (error as Error).message,
        advice: 'It holds until the tab is closed. Is there room left for this page?',
      })
    }
  }

  // ─── talking ───

  #talk(peer: KnownPeer): void {
    try {
      const options = { ...this.#relay.choice, dial: this.#dial, keys: this.#own.identity.pairWith(peer.publicKey) }
      this.#peer = peer
      this.#peerCard.close()
      this.#peerCard.show(peer, this.#own.identity)
      showScreen('talk')
      byId('over').hidden = true
      byId('leave').hidden = false
      this.#chat.open()
      this.#conversation = new Conversation({ ...options, cover: this.#view.cover }, isolated(peer.name), {
        chat: this.#chat,
        log: this.#log,
        listener: {
          onState: (status) => this.#onState(status),
          onEnd: (reason, here) => this.#onEnd(reason, here),
        },
      })
    } catch (error) {
      this.#fail(error)
    }
  }

  #onState({ state, error, pause }: RelayStatus): void {
    this.#state.show(error?.code === 'RELAY_REFUSED' ? 'refused' : state, pause)
    if (!error) return
    if (WRONG_PROOF.includes(error.code)) this.#tellImpostor(error)
    else if (A_PERSON_HELPS.includes(error.code)) this.#problem.show(problemOf(error))
  }

  #tellImpostor(error: UsmpError): void {
    const name = isolated(this.#peer!.name)
    this.#problem.show({
      title: `Somebody who is not ${name} was there`,
      text: `It could not prove that it is ${name}, so nothing was shown and nothing was sent. (${error.code})`,
      advice: `Only the relay itself, or who reads along there, can do that: take another relay. If ${name} has a new identity, forget the old one and meet again.`,
    })
  }

  #onEnd(reason: UsmpError, here: boolean): void {
    const name = isolated(this.#peer!.name)
    this.#conversation = undefined
    byId('leave').hidden = true
    this.#chat.enable(false)
    byId('over').hidden = false
    byId('over-text').textContent =
      reason.code === 'CLOSED'
        ? `${here ? 'You have' : `${name} has`} ended the conversation.`
        : `The conversation has ended: ${reason.message}. ${reason.hint ?? ''}`
    byId('again').focus()
  }

  async #verify(): Promise<void> {
    this.#peer = this.#own.peers.verify(this.#peer!.name)
    await this.#save()
    this.#peerCard.show(this.#peer, this.#own.identity)
  }

  #tellDifference(): void {
    const name = isolated(this.#peer!.name)
    this.#problem.show({
      title: 'Say nothing more here',
      text: `Different words mean that you two do not hold each other’s keys: this is not ${name}, or somebody stands between you.`,
      advice: 'End the conversation, forget this peer, and meet again by a new code.',
    })
  }

  #draw(now: number): void {
    requestAnimationFrame((next) => this.#draw(next))
    this.#state.draw(now)
    this.#view.draw(now)
    if (!byId('code-card').hidden) this.#code.draw()
  }
}

function on(id: string, event: 'submit' | 'click', run: () => unknown): void {
  byId(id).addEventListener(event, (happened) => {
    happened.preventDefault()
    run()
  })
}

function showScreen(shown: Screen): void {
  for (const screen of SCREENS) byId(screen).hidden = screen !== shown
  if (shown !== 'talk') byId('leave').hidden = true
}

void openIdentity().then((own) => new App(own))
