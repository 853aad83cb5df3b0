import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/pnpm.mjs'

/** What is done with a block of a document, as its text and the comment above it say. */
export type Step =
  /** A file of the folder: a program whose first line is a comment with its name. */
  | { readonly kind: 'file'; readonly name: string; readonly text: string }
  /** A script that runs to its end; `shows` is what stands below it as its output. */
  | { readonly kind: 'script'; readonly text: string; readonly shows: string | undefined }
  /** `<!-- stays, says: TEXT -->`: a script that runs on, and has said TEXT before the next step. */
  | { readonly kind: 'service'; readonly text: string; readonly says: string; readonly shows: string | undefined }
  /** `<!-- not run: REASON -->` */
  | { readonly kind: 'left out'; readonly reason: string }
  /** `<!-- run by: PATH -->`: another test runs it, because it needs more than a folder. */
  | { readonly kind: 'elsewhere'; readonly path: string }
  /** Nothing was said about it, and it cannot be run. */
  | { readonly kind: 'unknown'; readonly text: string }

/** A fenced block of code, with the comment before it, and the block of text that follows at once. */
const BLOCK = /(?:<!-- ([^>]*?) -->\n+)?^```(sh|js|ts|c|html)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm

/** Documents with blocks, of everything that the repository has, as paths from its root. */
export function documents(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: root,
    encoding: 'utf8',
  })
  return listed
    .trim()
    .split('\n')
    .filter((path) => stepsOf(path).length > 0)
}

/** The blocks of a document in their order. */
export function stepsOf(path: string): Step[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(BLOCK)].map(([, comment = '', language, code, shows]) =>
    stepOf(comment, language!, code!, shows),
  )
}

function stepOf(comment: string, language: string, text: string, shows: string | undefined): Step {
  const [, word, rest = ''] = /^(not run|run by|stays, says): ([\s\S]+)$/.exec(comment) ?? []
  if (word === 'not run') return { kind: 'left out', reason: rest }
  if (word === 'run by') return { kind: 'elsewhere', path: rest }
  if (language === 'sh' && word) return { kind: 'service', text, says: rest, shows }
  if (language === 'sh') return { kind: 'script', text, shows }
  const name = /^\/\/ ([\w.-]+\.\w+)\n/.exec(text)?.[1]
  return name ? { kind: 'file', name, text } : { kind: 'unknown', text }
}
