#!/usr/bin/env node
// It is here before anything is built, so that an installation can link it.
import '../dist/cli.js'
