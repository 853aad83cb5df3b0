#!/usr/bin/env node
import { run } from './program.js'

// Not by process.exitCode alone: stdin may still be open.
process.exit(await run(process.argv.slice(2)))
