import type { ActiveAlarm, AlarmRule, DeviceState, Reading } from '../contract/device.js'
import type { Cancel, GatewayTime } from '../time.js'

/** How long a reading has to be good again until its alarm ends, ms: one that flutters around a limit rings once. */
export const CALM_TIME = 60_000

/** An alarm began or ended. */
export interface AlarmChange {
  readonly type: 'raised' | 'cleared'
  readonly deviceId: string
  readonly alarm: ActiveAlarm
}

/** What alarms are made of. */
export interface Watched {
  readonly id: string
  readonly rules: readonly AlarmRule[]
  readonly state: DeviceState | null
}

/** One rule of one device that is met, or was a moment ago. */
interface Raised {
  alarm: ActiveAlarm
  /** Ends it when the reading has been good for long enough. */
  calming: Cancel | undefined
}

interface Board {
  /** By the text of the rule. */
  readonly raised: Map<string, Raised>
  /** Waits until a device has been away for long enough, by the text of the rule. */
  readonly away: Map<string, Cancel>
}

/**
 * Rules of devices, and which of them are met now. A threshold rings at once and is calm only after a minute of good readings; silence
 * rings after the time of its rule and ends with the next session. Readings that stop say nothing: what rang goes on.
 */
export class Alarms {
  readonly #time: GatewayTime
  readonly #onChange: (change: AlarmChange) => void
  readonly #boards = new Map<string, Board>()

  constructor(time: GatewayTime, onChange: (change: AlarmChange) => void) {
    this.#time = time
    this.#onChange = onChange
  }

  active(deviceId: string): readonly ActiveAlarm[] {
    return [...(this.#boards.get(deviceId)?.raised.values() ?? [])].map(({ alarm }) => alarm)
  }

  /** The state or the rules of a device may have changed. */
  onDevice({ id, rules, state }: Watched): void {
    const keys = new Set(rules.map(keyOf))
    const board = this.#boards.get(id)
    for (const key of board?.raised.keys() ?? []) if (!keys.has(key)) this.#clear(id, key)
    for (const [key, cancel] of board?.away ?? []) {
      if (keys.has(key) && isAway(state)) continue
      cancel()
      board!.away.delete(key)
    }
    for (const rule of rules) if (rule.kind === 'offline') this.#onOfflineRule(id, rule, state)
    if (rules.length === 0) this.#boards.delete(id)
  }

  /** New readings of a device. */
  onReadings({ id, rules }: Pick<Watched, 'id' | 'rules'>, changed: ReadonlyMap<string, Reading>): void {
    for (const rule of rules) {
      if (rule.kind === 'offline') continue
      const value = changed.get(rule.reading)?.value
      if (typeof value !== 'number') continue
      if (rule.kind === 'above' ? value > rule.limit : value < rule.limit) this.#raise(id, rule, value)
      else this.#calm(id, keyOf(rule))
    }
  }

  /** Takes all timers back. */
  close(): void {
    for (const { raised, away } of this.#boards.values()) {
      for (const { calming } of raised.values()) calming?.()
      for (const cancel of away.values()) cancel()
    }
    this.#boards.clear()
  }

  #onOfflineRule(id: string, rule: Extract<AlarmRule, { kind: 'offline' }>, state: DeviceState | null): void {
    const key = keyOf(rule)
    const { raised, away } = this.#boardOf(id)
    if (!isAway(state)) return this.#clear(id, key)
    if (raised.has(key) || away.has(key)) return
    away.set(
      key,
      this.#time.after(rule.after, () => {
        away.delete(key)
        this.#raise(id, rule, null)
      }),
    )
  }

  #raise(id: string, rule: AlarmRule, value: number | null): void {
    const { raised } = this.#boardOf(id)
    const key = keyOf(rule)
    const one = raised.get(key)
    if (one) {
      one.calming?.()
      one.calming = undefined
      one.alarm = { ...one.alarm, value }
      return
    }
    const alarm: ActiveAlarm = { rule, since: this.#time.now(), value }
    raised.set(key, { alarm, calming: undefined })
    this.#onChange({ type: 'raised', deviceId: id, alarm })
  }

  #calm(id: string, key: string): void {
    const one = this.#boards.get(id)?.raised.get(key)
    if (one) one.calming ??= this.#time.after(CALM_TIME, () => this.#clear(id, key))
  }

  #clear(id: string, key: string): void {
    const board = this.#boards.get(id)
    const one = board?.raised.get(key)
    if (!one) return
    one.calming?.()
    board!.raised.delete(key)
    this.#onChange({ type: 'cleared', deviceId: id, alarm: one.alarm })
  }

  #boardOf(id: string): Board {
    let board = this.#boards.get(id)
    if (!board) {
      board = { raised: new Map(), away: new Map() }
      this.#boards.set(id, board)
    }
    return board
  }
}

/** Not seen, though it was seen before. Nobody can say for `unknown`. */
function isAway(state: DeviceState | null): boolean {
  return state === 'offline'
}

function keyOf(rule: AlarmRule): string {
  return rule.kind === 'offline' ? `offline ${rule.after}` : `${rule.kind} ${rule.limit} ${rule.reading}`
}
