export { type BridgeState, HomeAssistantBridge } from './bridge/home-assistant.js'
export type { HomeAssistantBridgeOptions, HomeBroker } from './bridge/options.js'
export { GatewayError } from './errors.js'
