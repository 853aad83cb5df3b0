// What the gateway and its page, scripts and tools say to each other over HTTP: every body, and every message of the live socket.
// The page imports this file, so nothing of Node is in it; the OpenAPI description is made of it.
export * from './contract/access.js'
export * from './contract/audit.js'
export * from './contract/commands.js'
export * from './contract/device.js'
export * from './contract/errors.js'
export * from './contract/live.js'
export * from './contract/rollouts.js'
export * from './contract/system.js'
export * from './contract/telemetry.js'
