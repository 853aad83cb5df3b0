import { fromHex, toHex } from '@usmp/core'
import { type Case, caseName, groupsOf, opsOf } from '@usmp/testing/vectors'
import { describe, expect, test } from 'vitest'
import type { Carrier, Role } from '../src/facts.ts'
import { type Answer, decodeAnswer, decodeQuery, encodeAnswer, encodeQuery, MAX_ANSWER } from '../src/query.ts'

interface QueryCase extends Case {
  readonly nonce: string
  readonly wanted: number
  readonly query: string
}

interface AnswerCase extends Case {
  readonly nonce: string
  readonly role: Role
  readonly instance: string
  readonly join_open: 0 | 1
  readonly carriers: readonly Carrier[]
  readonly site: string
  readonly path: string
  readonly device_id: string
  readonly answer: string
}

const rolesOf = (bits: number) => (['gateway', 'device'] as const).filter((_, bit) => bits & (1 << bit))

function answerOf({ nonce, role, instance, join_open, carriers, site, path, device_id }: AnswerCase): Answer {
  const facts = { nonce: fromHex(nonce), role, instance, joinOpen: join_open === 1, carriers, site, path }
  return device_id === '' ? facts : { ...facts, deviceId: device_id }
}

function eachCase<C extends Case>(op: string, run: (vector: C) => void): void {
  describe(op, () => {
    for (const { tests } of groupsOf<object, C>('discovery', op)) {
      for (const vector of tests) test(caseName(vector), () => run(vector))
    }
  })
}

test('runs every operation of the topic', () => {
  expect(opsOf('discovery')).toEqual(['query', 'query_decode', 'answer', 'answer_decode'])
})

eachCase<QueryCase>('query', ({ nonce, wanted, query }) => {
  const asked = { nonce: fromHex(nonce), roles: rolesOf(wanted) }
  expect(toHex(encodeQuery(asked))).toBe(query)
  expect(decodeQuery(fromHex(query))).toEqual(asked)
})

eachCase<QueryCase>('query_decode', ({ query }) => {
  expect(decodeQuery(fromHex(query))).toBeUndefined()
})

eachCase<AnswerCase>('answer', (vector) => {
  const answer = answerOf(vector)
  expect(toHex(encodeAnswer(answer))).toBe(vector.answer)
  expect(decodeAnswer(fromHex(vector.answer))).toEqual(answer)
  expect(fromHex(vector.answer).length).toBeLessThanOrEqual(MAX_ANSWER)
})

eachCase<AnswerCase>('answer_decode', ({ answer }) => {
  expect(decodeAnswer(fromHex(answer))).toBeUndefined()
})
