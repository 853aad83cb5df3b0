import { byId } from '../../shared/dom.ts'
import type { RobotInfo } from '../contract.ts'
import { fixed } from './numbers.ts'

const KINDS: Readonly<Record<string, string>> = { c: 'C', ts: 'TypeScript', rv32: 'RISC-V' }
const TRANSPORTS: Readonly<Record<string, string>> = {
  tcp: 'TCP',
  udp: 'UDP',
  websocket: 'WebSocket',
  serial: 'serial',
}

/** The robots that the hub knows, as buttons that choose one. */
export class RobotList {
  readonly #list = byId('robots')
  readonly #onChoose: (id: string) => void

  constructor(onChoose: (id: string) => void) {
    this.#onChoose = onChoose
  }

  /** @param chosen id of the robot that is shown; @param me id of this operator; @param reachable whether the list is of now */
  show(robots: readonly RobotInfo[], chosen: string | undefined, me: string | undefined, reachable: boolean): void {
    byId('no-robots').hidden = robots.length > 0
    this.#list.classList.toggle('old', !reachable)
    // Buttons stay the same ones, so that the focus stays where it is.
    const buttons = [...this.#list.querySelectorAll('button')]
    for (const [index, robot] of robots.entries()) {
      const button = buttons[index] ?? this.#add()
      button.dataset.id = robot.id
      button.dataset.online = String(robot.online)
      button.setAttribute('aria-pressed', String(robot.id === chosen))
      const parts = button.querySelectorAll('span')
      parts[0]!.textContent = robot.name
      parts[1]!.textContent = describe(robot)
      parts[2]!.textContent =
        robot.driver === null ? '' : robot.driver === me ? 'you drive' : `${driverOf(robot)} drives`
    }
    for (const surplus of buttons.slice(robots.length)) surplus.parentElement!.remove()
  }

  #add(): HTMLButtonElement {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(document.createElement('i'), ...['name', 'dim', 'driver'].map(span))
    button.addEventListener('click', () => this.#onChoose(button.dataset.id!))
    const item = document.createElement('li')
    item.append(button)
    this.#list.append(item)
    return button
  }
}

/** Who drives it, by name if the hub knows one. */
export function driverOf({ driver, driverName }: RobotInfo): string {
  return driverName ?? driver ?? 'nobody'
}

function describe({ kind, transport, online, rtt }: RobotInfo): string {
  const parts = [kind && KINDS[kind], transport && TRANSPORTS[transport]]
  if (!online) parts.push('offline')
  else if (rtt !== null) parts.push(`${fixed(rtt, 1)} ms`)
  return parts.filter(Boolean).join(' · ')
}

function span(name: string): HTMLSpanElement {
  const made = document.createElement('span')
  made.className = name
  return made
}
