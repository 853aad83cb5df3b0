import { colour } from '../../shared/dom.ts'
import { type FrameLog, SPAN } from './frame-log.ts'
import type { Direction } from './observed-dial.ts'

/** Between two pictures, ms. */
const INTERVAL = 50
/** The same for who wants less motion. */
const CALM_INTERVAL = 1_000
/** Bytes of the tallest bar: more than any message that a relay passes on. */
const TALLEST = 512
/** CSS pixels. */
const LANE = 46
const FOOT = 20
/** Of a bar; narrower where a minute has less room. */
const BAR = 2
const NARROW_BAR = 1.5
const NARROW = 480
const DOT = 4
const GRID_STEP = 10_000

/** Draws the last minute: above what was said, which the two ends alone know, and below it what passes the WebSocket. */
export class Graph {
  readonly #canvas: HTMLCanvasElement
  readonly #log: FrameLog
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)')
  #drawnAt = 0

  constructor(canvas: HTMLCanvasElement, log: FrameLog) {
    this.#canvas = canvas
    this.#log = log
  }

  /** @param now ms of `performance.now` */
  draw(now: number): void {
    if (now - this.#drawnAt < (this.#calm.matches ? CALM_INTERVAL : INTERVAL)) return
    this.#drawnAt = now
    const { width, height } = this.#fit()
    const context = this.#canvas.getContext('2d')!
    context.clearRect(0, 0, width, height)
    const picture = new Picture(context, width, height, now)
    picture.grid()
    for (const { at, opened } of this.#log.marks) picture.mark(at, opened)
    for (const { at, direction, size } of this.#log.frames) picture.frame(at, direction, size)
    for (const { at, direction } of this.#log.spoken) picture.spoken(at, direction)
    picture.labels()
  }

  /** The size in CSS pixels, after the canvas got as many as the screen has. */
  #fit(): { width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = this.#canvas
    const ratio = devicePixelRatio
    if (this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.width = Math.round(width * ratio)
      this.#canvas.height = Math.round(height * ratio)
    }
    this.#canvas.getContext('2d')!.setTransform(ratio, 0, 0, ratio, 0, 0)
    return { width, height }
  }
}

/** One picture. */
class Picture {
  readonly #context: CanvasRenderingContext2D
  readonly #width: number
  readonly #height: number
  readonly #now: number
  readonly #axis: number
  readonly #reach: number
  readonly #bar: number
  readonly #colours: Readonly<Record<Direction, string>> = { out: colour('--out'), in: colour('--in') }

  constructor(context: CanvasRenderingContext2D, width: number, height: number, now: number) {
    this.#context = context
    this.#width = width
    this.#height = height
    this.#now = now
    this.#axis = LANE + (height - LANE - FOOT) / 2
    this.#reach = (height - LANE - FOOT) / 2 - 4
    this.#bar = width < NARROW ? NARROW_BAR : BAR
    context.font = `11px ${colour('--sans')}`
  }

  grid(): void {
    const context = this.#context
    context.fillStyle = colour('--lane')
    context.fillRect(0, 0, this.#width, LANE - 6)
    for (let age = GRID_STEP; age < SPAN; age += GRID_STEP) {
      this.#line(this.#x(this.#now - age), LANE, this.#height - FOOT, colour('--grid'))
    }
    context.fillStyle = colour('--axis')
    context.fillRect(0, this.#axis - 0.5, this.#width, 1)
    this.#text('what you two say: only you see this', 8, 14, 'left')
    this.#text('one minute ago', 8, this.#height - 5, 'left')
    this.#text('now', this.#width - 8, this.#height - 5, 'right')
  }

  /** On top of all bars. */
  labels(): void {
    this.#label('to the relay', LANE + 12, this.#colours.out)
    this.#label('from the relay', this.#height - FOOT - 5, this.#colours.in)
  }

  /** Where the WebSocket begins and ends. */
  mark(at: number, opened: boolean): void {
    const context = this.#context
    context.setLineDash([2, 3])
    this.#line(this.#x(at), LANE, this.#height - FOOT, colour(opened ? '--good' : '--bad'))
    context.setLineDash([])
  }

  frame(at: number, direction: Direction, size: number): void {
    const height = Math.max(2, (Math.min(size, TALLEST) / TALLEST) * this.#reach)
    this.#context.fillStyle = this.#colours[direction]
    const top = direction === 'out' ? this.#axis - 1 - height : this.#axis + 1
    this.#context.fillRect(this.#x(at) - this.#bar / 2, top, this.#bar, height)
  }

  spoken(at: number, direction: Direction): void {
    const context = this.#context
    context.fillStyle = this.#colours[direction]
    context.beginPath()
    context.arc(this.#x(at), LANE - 16, DOT, 0, 2 * Math.PI)
    context.fill()
  }

  #x(at: number): number {
    return this.#width * (1 - (this.#now - at) / SPAN)
  }

  #line(x: number, from: number, to: number, style: string): void {
    const context = this.#context
    context.strokeStyle = style
    context.beginPath()
    context.moveTo(Math.round(x) + 0.5, from)
    context.lineTo(Math.round(x) + 0.5, to)
    context.stroke()
  }

  #label(text: string, y: number, style: string): void {
    const context = this.#context
    context.fillStyle = colour('--card')
    context.fillRect(2, y - 12, context.measureText(text).width + 12, 17)
    this.#text(text, 8, y, 'left', style)
  }

  #text(text: string, x: number, y: number, align: CanvasTextAlign, style = colour('--dim')): void {
    const context = this.#context
    context.fillStyle = style
    context.textAlign = align
    context.fillText(text, x, y)
  }
}
