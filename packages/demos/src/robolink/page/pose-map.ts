import { colour } from '../../shared/dom.ts'
import { fixed } from './numbers.ts'

/** Where a robot is and how it moves: metres, radians, m/s, rad/s. */
export interface Pose {
  readonly x: number
  readonly y: number
  readonly theta: number
  readonly v: number
  readonly w: number
}

/** A point of the trail is kept when it is so far from the last one, metres. */
const TRAIL_STEP = 0.01
const MAX_TRAIL = 4_000
/** A robot that is suddenly so far away, metres, was put there: the trail begins again. */
const JUMP = 2
/** Between the wheels, metres. */
const WHEEL_BASE = 0.2
/** What is shown across the shorter side, metres: at least of a whole trail, and when following. */
const LEAST_EXTENT = 2
const FOLLOW_EXTENT = 3
/** Lines of the grid are at least so far apart, CSS pixels. */
const GRID_SPACE = 56
/** The view comes two thirds of the way to where it should be in this time, ms. */
const EASE = 220
/** The robot is drawn on its way between two reports of this distance, ms. */
const REPORT = 100

interface View {
  readonly x: number
  readonly y: number
  /** CSS pixels in a metre. */
  readonly scale: number
}

/** Grid, trail and robot, seen from above; x to the right, y up. */
export class PoseMap {
  readonly #canvas: HTMLCanvasElement
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)')
  #trail: { x: number; y: number }[] = []
  #from: Pose | undefined
  #to: Pose | undefined
  #toAt = 0
  #view: View | undefined
  #follow = false
  #stale = false
  #drawnAt = 0
  #settled = false

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    new ResizeObserver(() => this.redraw()).observe(canvas)
  }

  set follow(follow: boolean) {
    this.#follow = follow
    this.redraw()
  }

  set stale(stale: boolean) {
    if (stale !== this.#stale) this.redraw()
    this.#stale = stale
  }

  /** @param now ms */
  add(pose: Pose, now: number): void {
    const last = this.#trail.at(-1)
    const step = last ? Math.hypot(pose.x - last.x, pose.y - last.y) : Number.POSITIVE_INFINITY
    if (step > JUMP) this.#trail = []
    if (step > TRAIL_STEP) this.#trail.push({ x: pose.x, y: pose.y })
    if (this.#trail.length > MAX_TRAIL) this.#trail.shift()
    this.#from = step > JUMP ? pose : this.#shown(now)
    this.#to = pose
    this.#toAt = now
    this.redraw()
  }

  clearTrail(): void {
    this.#trail = this.#to ? [{ x: this.#to.x, y: this.#to.y }] : []
    this.redraw()
  }

  /** Forgets everything, for another robot. */
  clear(): void {
    this.#to = this.#from = this.#view = undefined
    this.clearTrail()
  }

  redraw(): void {
    this.#settled = false
  }

  /** Draws, unless nothing has moved since the last time. */
  draw(now: number): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas
    if (this.#settled || width === 0 || height === 0) return
    const pose = this.#shown(now)
    const goal = this.#goal(width, height, pose)
    const view = this.#approach(goal, now)
    this.#settled = near(view, goal) && now - this.#toAt > REPORT
    const context = this.#prepare(width, height)
    const project = (x: number, y: number): [number, number] => [
      width / 2 + (x - view.x) * view.scale,
      height / 2 - (y - view.y) * view.scale,
    ]
    drawGrid(context, width, height, view, project)
    context.globalAlpha = this.#stale ? 0.45 : 1
    drawTrail(context, pose ? [...this.#trail, pose] : this.#trail, project)
    if (pose) drawRobot(context, pose, view.scale, project, this.#stale)
    context.globalAlpha = 1
  }

  /** The pose between the last two reports that belongs to `now`. */
  #shown(now: number): Pose | undefined {
    const [from, to] = [this.#from, this.#to]
    if (!from || !to || this.#calm.matches) return to
    const share = Math.min(1, (now - this.#toAt) / REPORT)
    const turn = Math.atan2(Math.sin(to.theta - from.theta), Math.cos(to.theta - from.theta))
    return {
      ...to,
      x: from.x + (to.x - from.x) * share,
      y: from.y + (to.y - from.y) * share,
      theta: from.theta + turn * share,
    }
  }

  #goal(width: number, height: number, pose: Pose | undefined): View {
    if (this.#follow && pose) {
      return { x: pose.x, y: pose.y, scale: Math.min(width, height) / FOLLOW_EXTENT }
    }
    const points = pose ? [...this.#trail, pose] : [{ x: 0, y: 0 }]
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity]
    for (const { x, y } of points) {
      left = Math.min(left, x)
      right = Math.max(right, x)
      bottom = Math.min(bottom, y)
      top = Math.max(top, y)
    }
    const scale = Math.min(
      (width - 120) / Math.max(right - left, LEAST_EXTENT),
      (height - 120) / Math.max(top - bottom, LEAST_EXTENT),
    )
    return { x: (left + right) / 2, y: (bottom + top) / 2, scale: Math.max(scale, 1) }
  }

  #approach(goal: View, now: number): View {
    const share = this.#calm.matches ? 1 : 1 - Math.exp((this.#drawnAt - now) / EASE)
    const from = this.#view ?? goal
    this.#drawnAt = now
    this.#view = near(from, goal)
      ? goal
      : {
          x: from.x + (goal.x - from.x) * share,
          y: from.y + (goal.y - from.y) * share,
          scale: from.scale * (goal.scale / from.scale) ** share,
        }
    return this.#view
  }

  #prepare(width: number, height: number): CanvasRenderingContext2D {
    const ratio = devicePixelRatio
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (this.#canvas.width !== w || this.#canvas.height !== h) Object.assign(this.#canvas, { width: w, height: h })
    const context = this.#canvas.getContext('2d')!
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, width, height)
    return context
  }
}

type Project = (x: number, y: number) => [number, number]

/** Whether two views differ by less than anybody sees. */
function near(a: View, b: View): boolean {
  const pixels = Math.hypot(a.x - b.x, a.y - b.y) * b.scale
  return pixels < 0.3 && Math.abs(a.scale / b.scale - 1) < 0.002
}

/** 1, 2 or 5 times a power of ten. */
function gridStep(scale: number): number {
  const least = GRID_SPACE / scale
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!
}

function drawGrid(c: CanvasRenderingContext2D, width: number, height: number, view: View, project: Project): void {
  const step = gridStep(view.scale)
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  c.font = '10.5px system-ui, "DejaVu Sans", sans-serif'
  c.lineWidth = 1
  const line = (at: number, x1: number, y1: number, x2: number, y2: number) => {
    c.strokeStyle = colour(at === 0 ? '--axis' : '--grid')
    c.beginPath()
    c.moveTo(x1, y1)
    c.lineTo(x2, y2)
    c.stroke()
    c.fillStyle = colour('--dim')
  }
  const halfWidth = width / 2 / view.scale
  c.textAlign = 'center'
  for (let i = Math.ceil((view.x - halfWidth) / step); i * step <= view.x + halfWidth; i++) {
    const x = Math.round(project(i * step, 0)[0]) + 0.5
    line(i, x, 0, x, height)
    if (x > 40 && x < width - 24) c.fillText(fixed(i * step, digits), x, height - 8)
  }
  const halfHeight = height / 2 / view.scale
  c.textAlign = 'left'
  for (let i = Math.ceil((view.y - halfHeight) / step); i * step <= view.y + halfHeight; i++) {
    const y = Math.round(project(0, i * step)[1]) + 0.5
    line(i, 0, y, width, y)
    if (y > 60 && y < height - 24) c.fillText(`${fixed(i * step, digits)}${i === 0 ? ' m' : ''}`, 8, y - 4)
  }
}

/** Newer is brighter: the trail in eight pieces. */
function drawTrail(c: CanvasRenderingContext2D, trail: readonly { x: number; y: number }[], project: Project): void {
  const pieces = 8
  const size = Math.max(1, Math.ceil(trail.length / pieces))
  const opacity = c.globalAlpha
  c.strokeStyle = colour('--speed')
  c.lineWidth = 2.25
  c.lineJoin = 'round'
  for (let piece = 0; piece * size < trail.length; piece++) {
    c.globalAlpha = opacity * (0.18 + (0.72 * (piece + 1)) / pieces)
    c.beginPath()
    for (const { x, y } of trail.slice(piece * size, (piece + 1) * size + 1)) c.lineTo(...project(x, y))
    c.stroke()
  }
  c.globalAlpha = opacity
}

function drawRobot(c: CanvasRenderingContext2D, pose: Pose, scale: number, project: Project, stale: boolean): void {
  drawCourse(c, pose, project)
  const size = Math.max(WHEEL_BASE * scale, 26)
  c.save()
  c.translate(...project(pose.x, pose.y))
  c.rotate(-pose.theta)
  c.scale(size, size)
  c.fillStyle = colour('--wheel')
  for (const side of [-0.5, 0.36]) {
    c.beginPath()
    c.roundRect(-0.3, side, 0.6, 0.14, 0.06)
    c.fill()
  }
  c.fillStyle = colour(stale ? '--dim' : '--body')
  c.strokeStyle = colour('--card')
  c.lineWidth = 0.06
  c.beginPath()
  c.moveTo(-0.4, -0.3)
  c.lineTo(0.22, -0.3)
  c.lineTo(0.6, 0)
  c.lineTo(0.22, 0.3)
  c.lineTo(-0.4, 0.3)
  c.closePath()
  c.fill()
  c.stroke()
  c.restore()
}

/** Where it will be within a second and a half if it goes on like this. */
function drawCourse(c: CanvasRenderingContext2D, { x, y, theta, v, w }: Pose, project: Project): void {
  if (Math.abs(v) < 0.005) return
  c.strokeStyle = colour('--body')
  c.lineWidth = 1.5
  c.setLineDash([4, 4])
  c.beginPath()
  let [px, py] = [x, y]
  for (let t = 0; t <= 1.5; t += 0.05) {
    c.lineTo(...project(px, py))
    px += v * 0.05 * Math.cos(theta + w * t)
    py += v * 0.05 * Math.sin(theta + w * t)
  }
  c.stroke()
  c.setLineDash([])
}
