import { readFileSync } from 'node:fs'
import { streamTransport } from '@usmp/core'
import { describeAdapter } from '../src/adapter-suite.ts'

// The transport of the README, as it stands there, goes through the suite. From packed packages `packages/consumer` runs it too.
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const code = /```js\n\/\/ memory\.test\.js\n(.*?)\n```/s.exec(readme)![1]!.replace(/^import .*$/gm, '')
new Function('streamTransport', 'describeAdapter', code)(streamTransport, describeAdapter)
