import { expect, test } from 'vitest'
import { decodePresence, encodePresence } from '../src/presence.ts'
import { idBytes, topicId, topicName, topicsOf } from '../src/topics.ts'

const topics = topicsOf('home')
const ID = 'aabbccddee0f'

test('topics are those of the specification', () => {
  expect([topics.up(ID), topics.down(ID), topics.will(ID), topics.presence('main')]).toEqual([
    'usmp/home/0f/aabbccddee0f/up',
    'usmp/home/0f/aabbccddee0f/down',
    'usmp/home/0f/aabbccddee0f/lwt',
    'usmp/home/gw/main',
  ])
  expect(topics.idOf(topics.up(ID))).toBe(ID)
  expect(topicId(idBytes(ID))).toBe(ID)
  expect(topics.nodeOf(topics.presence('main'))).toBe('main')
})

test.each([
  'usmp/home/0f/AABBCCDDEE0F/up',
  'usmp/home/00/aabbccddee0f/up',
  'usmp/home/0f/aabbccddee0/up',
  'usmp/home',
  '',
  'usmp/home/gw/main',
])('%s names no device', (topic) => expect(topics.idOf(topic)).toBeUndefined())

test.each(['', '+', '#', 'a/b', 'ä', 'x'.repeat(33), ' ', 7, null])('%s is no name of a site', (name) =>
  expect(topicName.fits(name)).toBe(false),
)

const bytes = (text: string) => new TextEncoder().encode(text)

test('a presence is read as it was written', () => {
  for (const presence of [
    { up: true, boot: '0123abcd' },
    { up: false, boot: undefined },
  ]) {
    expect(decodePresence(bytes(encodePresence(presence)))).toEqual(presence)
  }
  expect(encodePresence({ up: true, boot: '0123abcd' })).toBe('{"v":1,"up":true,"boot":"0123abcd"}')
})

test.each([
  '',
  'null',
  '[]',
  '{}',
  '{"v":2,"up":true}',
  '{"v":1,"up":1}',
  '{"v":1,"up":true,"boot":7}',
  '{"v":1,"up":true,"boot":"xyz"}',
  `{"v":1,"up":true,"more":"${'x'.repeat(200)}"}`,
])('%s is no presence', (text) => expect(decodePresence(bytes(text))).toBeUndefined())
