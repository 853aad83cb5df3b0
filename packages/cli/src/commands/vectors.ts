import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { UsmpError } from '@usmp/core'
import { fileError } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { type Call, callsOf, type Fields, type Group } from '../vectors/calls.js'
import { Program } from '../vectors/program.js'

/** The cases that came with this command. */
const INCLUDED = fileURLToPath(new URL('./vectors/', import.meta.url))

export interface VectorsCheckOptions {
  readonly exec: string
  readonly vectors?: string
  readonly topic?: readonly string[]
  readonly wait: number
}

interface Topic {
  readonly topic: string
  readonly notes: Readonly<Record<string, string>>
  readonly groups: readonly Group[]
}

type Verdict = { readonly result: 'passed' } | LeftOut | Failed
interface LeftOut {
  readonly result: 'left out'
  readonly why: string
}
interface Failed {
  readonly result: 'failed'
  readonly call: Call
  readonly answer: Fields
}

/** A line for people is cut here, in characters; --json has all of it. */
const SHOWN = 400

/** Holds a program to the cases of vectors/, one call at a time. */
export async function vectorsCheckCommand(options: VectorsCheckOptions, output: Output): Promise<number> {
  const topics = await readTopics(options.vectors ?? INCLUDED, options.topic)
  const program = new Program(options.exec, options.wait)
  const total = { passed: 0, failed: 0, leftOut: 0 }
  try {
    for (const topic of topics) {
      if (output.broken.aborted) break
      const count = await checkTopic(topic, program, output)
      total.passed += count.passed
      total.failed += count.failed
      total.leftOut += count.leftOut
      await output.result(`${topic.topic.padEnd(14)} ${say(count)}`, {
        event: 'topic',
        topic: topic.topic,
        ...named(count),
      })
    }
  } finally {
    await program.end()
  }
  output.status(`vectors: ${say(total)}`, { event: 'checked', ...named(total) })
  return total.failed > 0 ? ExitCode.PROTOCOL : ExitCode.OK
}

async function checkTopic({ topic, notes, groups }: Topic, program: Program, output: Output): Promise<Count> {
  const count = { passed: 0, failed: 0, leftOut: 0 }
  const reasons = new Map<string, number>()
  for (const { params, tests } of groups) {
    for (const test of tests) {
      const verdict = await judge(callsOf(topic, params, test), program)
      if (verdict.result === 'passed') count.passed++
      else if (verdict.result === 'left out') {
        count.leftOut++
        reasons.set(verdict.why, (reasons.get(verdict.why) ?? 0) + 1)
      } else {
        count.failed++
        await tellFailure(topic, test, notes, verdict, output)
      }
    }
  }
  for (const [why, cases] of reasons) {
    output.status(`${topic}: left out ${cases}: ${why}`, { event: 'left-out', topic, cases, why })
  }
  return count
}

/** Asks everything that a case asks; the first call that goes wrong decides it. */
async function judge(calls: readonly Call[], program: Program): Promise<Verdict> {
  const requests = calls.map(({ call, input }) => ({ call, ...input }))
  for (const request of requests) program.ask(request)
  const answers: Fields[] = []
  for (const request of requests) answers.push(await program.answer(request))
  for (const [index, call] of calls.entries()) {
    const answer = answers[index]!
    if (typeof answer.unsupported === 'string') return { result: 'left out', why: answer.unsupported }
    if (!agrees(call.answer, answer)) return { result: 'failed', call, answer }
  }
  return { result: 'passed' }
}

/** Every field that is asked for, and no error where none is. The program may add other fields. */
function agrees(expected: Fields, answer: Fields): boolean {
  if ((expected.error ?? '') !== (answer.error ?? '')) return false
  return Object.entries(expected).every(([name, value]) => name === 'error' || isDeepStrictEqual(answer[name], value))
}

async function tellFailure(
  topic: string,
  { id, comment, flags }: Fields,
  notes: Topic['notes'],
  { call, answer }: Failed,
  output: Output,
): Promise<void> {
  const marks = (flags as string[]).map((flag) => `\n  ${flag}: ${notes[flag] ?? ''}`).join('')
  const text = `FAILED ${topic} #${String(id)} ${String(comment)}${marks}
  call     ${shown({ call: call.call, ...call.input })}
  expected ${shown(call.answer)}
  answer   ${shown(answer)}`
  await output.result(text, {
    event: 'failed',
    topic,
    id,
    comment,
    flags,
    call: call.call,
    input: call.input,
    expected: call.answer,
    answer,
  })
}

function shown(fields: Fields): string {
  const text = JSON.stringify(fields)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters; --json shows all)` : text
}

async function readTopics(folder: string, wanted: readonly string[] | undefined): Promise<Topic[]> {
  const names = await topicsIn(folder)
  const unknown = wanted?.find((topic) => !names.includes(topic))
  if (unknown !== undefined || names.length === 0) {
    throw new UsmpError(
      'INVALID_ARGUMENT',
      unknown === undefined ? `there are no cases in ${folder}` : `there is no topic "${unknown}"`,
      {
        hint:
          names.length > 0 ? `There are: ${names.join(', ')}.` : 'Give the folder with the JSON files of `vectors`.',
      },
    )
  }
  return Promise.all((wanted ?? names).map((topic) => readTopic(join(folder, `${topic}.json`))))
}

async function topicsIn(folder: string): Promise<string[]> {
  try {
    const files = await readdir(folder)
    return files
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort()
  } catch (cause) {
    throw fileError('read', folder, cause)
  }
}

async function readTopic(path: string): Promise<Topic> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Topic
  } catch (cause) {
    throw fileError('read', path, cause)
  }
}

interface Count {
  readonly passed: number
  readonly failed: number
  readonly leftOut: number
}
const say = ({ passed, failed, leftOut }: Count) =>
  `${passed} passed, ${failed} failed${leftOut > 0 ? `, ${leftOut} left out` : ''}`
const named = ({ passed, failed, leftOut }: Count) => ({ passed, failed, left_out: leftOut })
