import { arch, cpus, platform } from 'node:os'
import type { Machine } from './report.js'

/** What of this machine a reader needs to judge the figures; nothing that names it. */
export function describeMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    os: `${platform()} ${arch()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
  }
}
