import type { Device } from '@usmp/gateway/contract'

/** Control characters, marks that turn the direction of text, and what is not seen at all: they show as escapes. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu

/** Text of a device or a person as it may stand in a page: bounded, and nothing in it can hide or turn what follows. */
export function shown(text: string, most = 64): string {
  const characters = [...text]
  const cut = characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text
  return cut.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** Where a device is, as the gateway names it: an address, or the way that it came. */
export function placeText(carrier: string | null, address: string): string {
  const place = shown(address, 48)
  return carrier === null || place.startsWith(carrier) ? place : `${carrier} from ${place}`
}

/** What a device is called: its name, else its id. */
export function nameOf(device: Pick<Device, 'id' | 'name'>): string {
  return device.name === '' ? device.id : shown(device.name)
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A span in one or two units, as `3 min`, `2 h 5 min`. */
export function span(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`
  if (ms < DAY) return pair(ms, HOUR, 'h', MINUTE, 'min')
  return pair(ms, DAY, 'd', HOUR, 'h')
}

function pair(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % big) / small)
  return `${Math.floor(ms / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`
}

/** How long ago `at` was; clocks that differ by a little make no future. */
export function ago(at: number, now: number): string {
  const age = now - at
  return age < 1_500 ? 'now' : `${span(age)} ago`
}

/** A countdown, as `4:07`. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const DATE_TIME = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

export const clockTime = (at: number): string => TIME.format(at)
export const dateTime = (at: number): string => DATE_TIME.format(at)

const decimals = (count: number) =>
  new Intl.NumberFormat('en', { minimumFractionDigits: count, maximumFractionDigits: count })
const ONE = decimals(1)
const TWO = decimals(2)
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A value for reading: so many decimals that a small change is seen, and always as many, so that nothing jumps. */
export function figure(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e15) return value.toExponential(3)
  if (size !== 0 && size < 0.01) return value.toPrecision(3)
  if (Number.isInteger(value)) return WHOLE.format(value)
  return (size < 10 ? TWO : ONE).format(value)
}

export const whole = (value: number): string => WHOLE.format(value)

/** ms of a round trip. */
export function milliseconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${whole(value)} ms`
}

export function valueText(value: number | boolean | string): string {
  if (typeof value === 'number') return figure(value)
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : shown(value, 48)
}

export function bytes(count: number): string {
  if (count < 1024) return `${whole(count)} bytes`
  if (count < 1024 * 1024) return `${whole(count / 1024)} KiB`
  const mebibytes = count / 1024 / 1024
  return `${mebibytes < 10 ? ONE.format(mebibytes) : whole(mebibytes)} MiB`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`
}

/** A text of others as a sentence, with a full stop if nothing else ends it. */
export function sentence(text: string): string {
  const said = shown(text, 300)
  return /[.?!]$/.test(said) ? said : `${said}.`
}

/** When something is tried again. */
export function nextTry(at: number, now: number): string {
  return at - now < SECOND ? 'Trying now.' : `Next try in ${span(at - now)}.`
}
