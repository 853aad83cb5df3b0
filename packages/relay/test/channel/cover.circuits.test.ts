import { bytesOf, pseudoRandom } from '@usmp/testing'
import { expect, test } from 'vitest'
import type { Cover } from '../../src/cover.ts'
import { Reader, TwoChannels } from './two-channels.ts'

const SIZES = [0, 10, 425, 426, 3000, 20_000]

/** Whole numbers from 0 on, below a limit. */
function numbers(seed: number): (limit: number) => number {
  const random = pseudoRandom(seed)
  return (limit) => random(1)[0]! % limit
}

/** Two peers with a schedule, whose circuits are cut and held up and whose processes restart, as a seed says. */
class Story {
  readonly world: TwoChannels
  readonly #fate: (limit: number) => number
  readonly #speech: ((limit: number) => number) | undefined

  constructor(seed: number, cover: Cover, isTalkative: boolean) {
    this.world = new TwoChannels({ cover, random: pseudoRandom(seed) }, { capacity: 3 + (seed % 5) })
    this.#fate = numbers(seed + 100)
    this.#speech = isTalkative ? numbers(seed + 200) : undefined
    for (const channel of this.world.channels) new Reader(channel)
  }

  async run(): Promise<void> {
    await this.world.connect()
    for (let step = 0; step < 30; step++) {
      await this.#happen()
      for (let part = 0; part < 4; part++) {
        this.#say()
        await this.world.pass(2 * this.#fate(200))
      }
    }
  }

  async #happen(): Promise<void> {
    const { world } = this
    const what = this.#fate(8)
    if (what === 0) await world.connect()
    else if (what === 1) world.circuit!.held = !world.circuit!.held
    else if (what === 2) {
      new Reader(world.restart(this.#fate(2) as 0 | 1))
      await world.connect()
    }
  }

  #say(): void {
    const speech = this.#speech
    for (let count = speech?.(4) ?? 0; speech && count > 0; count--) {
      const lifetime = speech(3) === 0 ? { ttl: 1 + 10 * speech(200) } : {}
      this.world.channels[speech(2)]!.trySend(bytesOf(SIZES[speech(SIZES.length)]!), lifetime)
    }
  }
}

const covers: readonly Cover[] = [
  { mode: 'schedule', rate: 1, gaps: 'grid' },
  { mode: 'schedule', rate: 4 },
  { mode: 'schedule', rate: 20 },
  { mode: 'schedule', rate: 100, gaps: 'grid' },
]
test.each(covers.flatMap((cover, at) => [1, 2].map((seed) => [10 * at + seed, cover] as const)))(
  'a relay that cuts and holds circuits up sees the same frames, whatever is said: seed %i, %o',
  async (seed, cover) => {
    const [silent, busy] = [new Story(seed, cover, false), new Story(seed, cover, true)]
    await silent.run()
    await busy.run()
    expect(silent.world.frames.length).toBeGreaterThan(30)
    expect(busy.world.frames).toEqual(silent.world.frames)
  },
)
