import type { Step } from './document.ts'
import type { Folder, Running } from './folder.ts'

/**
 * Does what a document says, step by step, in a folder.
 * @throws Error if a script fails or does not show what stands below it
 */
export async function play(steps: readonly Step[], folder: Folder): Promise<void> {
  const shown: [Running, string][] = []
  for (const step of steps) {
    if (step.kind === 'file') await folder.write(step.name, step.text)
    if (step.kind === 'script') compare(await folder.run(step.text), step.shows, step.text)
    if (step.kind === 'service') {
      const running = folder.start(step.text)
      await running.says(step.says)
      if (step.shows) shown.push([running, step.shows])
    }
  }
  // What a service shows may be the doing of a later step.
  for (const [running, text] of shown) for (const line of text.trim().split('\n')) await running.says(line)
}

/** Every line of what a document shows has to be there, in this order; numbers of milliseconds may differ. */
function compare(output: string, shows: string | undefined, script: string): void {
  let from = 0
  for (const line of (shows ?? '').split('\n').filter(Boolean)) {
    const pattern = line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\d+(\\\.\d+)? ms/g, '[\\d.]+ ms')
    const found = output.slice(from).search(new RegExp(pattern))
    if (found < 0) throw new Error(`«${line}» is not in the output of\n${script}\n${output}`)
    from += found
  }
}
