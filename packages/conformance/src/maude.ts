import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const folder = fileURLToPath(new URL('../model/', import.meta.url))

/** What a search found: a world in which the condition holds, or none in the whole space of `states` worlds. */
export interface SearchResult {
  readonly found: boolean
  readonly states: number
}

/**
 * Loads files of `model/` and searches each scenario to its end for one condition.
 *
 * @param files names below `model/`, in the order in which they depend on each other
 * @param searches pairs of a scenario and the condition that is looked for in all that can become of it
 * @param leftOut rules of the model, written there as `eq RULE = true .`, that are made false
 * @throws Error when Maude is missing, or warns about anything: a model that does not parse proves nothing
 */
export async function search(
  module: string,
  files: readonly string[],
  searches: readonly (readonly [scenario: string, condition: string])[],
  leftOut: readonly string[] = [],
): Promise<SearchResult[]> {
  const written = files.map((file) => readFileSync(`${folder}${file}`, 'utf8')).join('\n')
  const model = leftOut.reduce(withoutRule, written)
  const commands = searches.map(
    ([scenario, condition]) => `search [1] in ${module} : ${scenario} =>* W:World such that ${condition}(W:World) .`,
  )
  const output = await maude(`set show timing off .\nset show command off .\n${model}\n${commands.join('\n')}\nquit\n`)
  const results = [...output.matchAll(/^(No solution\.|Solution 1 \(state \d+\))\nstates: (\d+)/gm)].map(
    ([, verdict, states]) => ({ found: verdict !== 'No solution.', states: Number(states) }),
  )
  if (results.length !== searches.length) throw new Error(`Maude did not answer every search:\n${output}`)
  return results
}

function withoutRule(model: string, rule: string): string {
  const without = model.replace(`eq ${rule} = true .`, `eq ${rule} = false .`)
  if (without === model) throw new Error(`the model has no rule ${rule}`)
  return without
}

async function maude(input: string): Promise<string> {
  const running = promisify(execFile)('maude', ['-no-banner', '-no-wrap', '-no-advise'], {
    maxBuffer: 64 * 1024 * 1024,
  })
  running.child.stdin?.end(input)
  const { stdout, stderr } = await running
  if (/Warning|Error/.test(stdout + stderr)) throw new Error(`Maude does not accept the model:\n${stdout}${stderr}`)
  return stdout
}
