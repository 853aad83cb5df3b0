// What stands before `npm start` and its sisters: installing, building, and the program in C. In a small checkout of its own.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { Program } from './robolink/world.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** The scripts of this repository, with a package that is built in a moment; with `C`, the C core too. */
function checkout({ withC = false } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-checkout-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { packageManager, engines } = manifest
  const files = {
    'package.json': JSON.stringify({ name: 'checkout', private: true, type: 'module', packageManager, engines }),
    'pnpm-workspace.yaml': 'packages:\n  - packages/*\n',
    'pnpm-lock.yaml': "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  packages/cli: {}\n\n  packages/demos: {}\n",
    'tsconfig.base.json': '{}',
    'packages/cli/package.json': JSON.stringify({ name: '@usmp/cli', version: '1.0.0' }),
    'packages/cli/src/output.ts': '',
    'packages/demos/package.json': JSON.stringify({
      name: '@usmp/demos',
      version: '1.0.0',
      scripts: { build: 'node build.cjs' },
    }),
    'packages/demos/build.cjs': `
      require('node:fs').mkdirSync('dist/robolink', { recursive: true })
      require('node:fs').copyFileSync('src/main.js', 'dist/robolink/main.js')`,
    'packages/demos/src/main.js': "console.log('started', process.argv.slice(2).join(' '))",
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true })
  if (withC) {
    const filter = (path: string) => basename(path) !== 'build'
    cpSync(join(root, 'firmware-c'), join(folder, 'firmware-c'), { recursive: true, filter })
  } else {
    mkdirSync(join(folder, 'firmware-c'))
    writeFileSync(
      join(folder, 'firmware-c/CMakeLists.txt'),
      'message(FATAL_ERROR "no crypto library: install mbedTLS")\n',
    )
  }
  return folder
}

/** A folder for PATH with these tools only. */
function toolsOnly(folder: string, ...tools: string[]): string {
  const path = join(folder, 'tools')
  mkdirSync(path)
  for (const tool of tools) {
    const found = execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim()
    symlinkSync(found, join(path, tool))
  }
  return path
}

async function start(folder: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const program = new Program(process.execPath, [join(folder, 'scripts/start.mjs'), '--some', 'option'], env)
  await program.ended
  return program.said.map(({ text }) => text).join('\n')
}

const LONG = { timeout: 600_000 }

test('npm start says that it builds, and the next one builds nothing until a source changes', LONG, async () => {
  const folder = checkout()
  const first = await start(folder)
  expect(first).toMatch(/Installing .*\n(.*\n)*Building.*\n {2}packages\/demos\n/)
  expect(first).toContain('started --some option')
  const second = await start(folder)
  expect(second).not.toMatch(/Installing|Building;/)
  expect(second).toContain('started --some option')
  writeFileSync(join(folder, 'packages/demos/src/main.js'), "console.log('another')")
  const third = await start(folder)
  expect(third).toContain('another')
  expect(third).not.toContain('Installing')
  rmSync(join(folder, 'packages/demos/dist'), { recursive: true })
  expect(await start(folder)).toContain('another')
  writeFileSync(join(folder, 'packages/demos/build.cjs'), "throw new Error('the moon is too near')")
  writeFileSync(join(folder, 'packages/demos/src/main.js'), "console.log('a third')")
  expect(await start(folder)).toMatch(/the moon is too near[\s\S]*The build has failed/)
})

test('without a compiler npm start says which tools are missing, how to add them, and starts', LONG, async () => {
  const folder = checkout()
  await start(folder)
  const said = await start(folder, { PATH: toolsOnly(folder, 'sh', 'node') })
  expect(said).toContain('Left out: the robot in C')
  expect(said).toMatch(
    /Why: this machine lacks compiler, cmake, jsmn, mbedtls\n.*sudo apt-get install gcc .*cmake libjsmn-dev/,
  )
  expect(said).toContain('started --some option')
})

test('what CMake says against the robot in C is what npm start says', LONG, async () => {
  const folder = checkout()
  const said = await start(folder)
  expect(said).toMatch(/Why: CMake Error[\s\S]*no crypto library: install mbedTLS/)
  expect(said).toContain('started --some option')
})

test('the robot in C is built without the libraries of the tests, also when the checkout has moved', LONG, async () => {
  const folder = checkout({ withC: true })
  // Anyone who looks for the library of the tests has failed already.
  for (const file of ['tests/CMakeLists.txt', 'rpc/tests'])
    rmSync(join(folder, 'firmware-c', file), { recursive: true })
  const said = await start(folder)
  expect(said).not.toContain('Left out')
  expect(said).toContain('started --robot')
  const moved = `${folder}-moved`
  onTestFinished(() => rmSync(moved, { recursive: true, force: true }))
  renameSync(folder, moved)
  const again = await start(moved)
  expect(again).not.toContain('Left out')
  expect(again).toContain(`started --robot ${moved}/firmware-c/build/programs/robolink-robot`)
})

test('with a compiler and without jsmn npm start names jsmn, and the command that adds it', LONG, async () => {
  const folder = checkout()
  const tools = join(folder, 'tools')
  mkdirSync(tools)
  // A compiler that finds this header nowhere.
  writeFileSync(join(tools, 'cc'), '#!/bin/sh\n! grep -q jsmn\n')
  chmodSync(join(tools, 'cc'), 0o755)
  const said = await start(folder, { PATH: `${tools}:${process.env.PATH}` })
  expect(said).toMatch(/Why: this machine lacks jsmn\n.*sudo apt-get install libjsmn-dev\n/)
  expect(said).toContain('started --some option')
})

test('a robot in C that does not compile is told as the compiler tells it', LONG, async () => {
  const folder = checkout({ withC: true })
  writeFileSync(join(folder, 'firmware-c/src/frame.c'), 'int frame = nothing;\n')
  const said = await start(folder)
  expect(said).toMatch(/Left out: the robot in C[\s\S]*Why: .*frame\.c:1:.*error/)
  expect(said).toContain('started --some option')
})
