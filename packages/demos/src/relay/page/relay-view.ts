import type { Cover } from '@usmp/relay'
import { byId, say } from '../../shared/dom.ts'
import type { FrameLog, SeenFrame } from './frame-log.ts'
import { Graph } from './graph.ts'

/** Between two looks at the figures, ms: people read them. */
const INTERVAL = 250
/** Rows of the table. */
const ROWS = 6
/** Sizes that are named. */
const SIZES = 3

/** What the relay sees, and the cover that changes it. */
export class RelayView {
  readonly #log: FrameLog
  readonly #graph: Graph
  readonly #canvas = byId<HTMLCanvasElement>('graph')
  readonly #choices = [...document.querySelectorAll<HTMLInputElement>('input[name=cover]')]
  #shownAt = 0
  #shown = -1

  constructor(log: FrameLog, onCover: (cover: Cover) => void) {
    this.#log = log
    this.#graph = new Graph(this.#canvas, log)
    byId('clear').addEventListener('click', () => this.#clear())
    for (const choice of this.#choices) {
      choice.addEventListener('change', () => {
        this.#tellMeaning()
        onCover(this.cover)
      })
    }
    this.#tellMeaning()
  }

  get cover(): Cover {
    const rate = this.#rate
    return rate === 0 ? { mode: 'off' } : { mode: 'schedule', rate }
  }

  /** @param now ms of `performance.now` */
  draw(now: number): void {
    this.#graph.draw(now)
    if (now - this.#shownAt < INTERVAL) return
    this.#shownAt = now
    this.#log.trim()
    this.#showFigures()
    if (this.#shown !== this.#log.total) this.#showFrames()
    this.#shown = this.#log.total
  }

  get #rate(): number {
    return Number(this.#choices.find(({ checked }) => checked)?.value ?? 0)
  }

  #clear(): void {
    this.#log.clear()
    this.#shownAt = 0
  }

  #showFigures(): void {
    const [out, incoming, sizes] = [this.#log.count('out'), this.#log.count('in'), this.#log.sizes()]
    const named = sizes.slice(0, SIZES).map(([size, count]) => `${size} ×\u2009${count}`)
    const text = [...named, ...(sizes.length > SIZES ? [`${sizes.length - SIZES} others`] : [])].join(', ')
    say(byId('count-out'), String(out))
    say(byId('count-in'), String(incoming))
    say(byId('sizes'), text || 'none yet')
    this.#canvas.setAttribute(
      'aria-label',
      `In the last minute ${out} messages out and ${incoming} in; sizes: ${text || 'none'}`,
    )
  }

  #showFrames(): void {
    const rows = this.#log.frames.slice(-ROWS).reverse().map(rowOf)
    byId('frames').replaceChildren(...(rows.length > 0 ? rows : [nothingRow()]))
  }

  /** What a relay can conclude. */
  #tellMeaning(): void {
    const rate = this.#rate
    byId('meaning').textContent =
      rate === 0
        ? 'Messages leave at once. The relay sees when somebody says something, and about how much: a cell for every 425 bytes.'
        : `Cells of one size leave ${rate === 1 ? 'once' : `${rate} times`} a second on average, at times drawn beforehand, full or empty. ` +
          'What leaves here no longer tells when you say something. The other end needs a cover too: without one its answers leave at once.'
  }
}

function rowOf({ at, direction, size }: SeenFrame): HTMLTableRowElement {
  const row = document.createElement('tr')
  const time = new Date(performance.timeOrigin + at)
  const cells = [
    `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, '0')}`,
    direction === 'out' ? '→ out' : '← in',
    String(size),
  ]
  row.className = direction
  row.append(...cells.map(cellOf))
  return row
}

function nothingRow(): HTMLTableRowElement {
  const row = document.createElement('tr')
  const cell = cellOf('Nothing has passed')
  cell.colSpan = 3
  cell.className = 'nothing'
  row.append(cell)
  return row
}

function cellOf(text: string): HTMLTableCellElement {
  const cell = document.createElement('td')
  cell.textContent = text
  return cell
}
