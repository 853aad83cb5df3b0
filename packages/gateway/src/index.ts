export type { Actor } from './actor.js'
export type { WebhookOptions } from './alarms/webhook.js'
export { type BridgeState, HomeAssistantBridge } from './bridge/home-assistant.js'
export type { HomeAssistantBridgeOptions, HomeBroker } from './bridge/options.js'
export { deviceApi, gatewayApi } from './device-api.js'
export { GatewayError } from './errors.js'
export { Gateway, startGateway } from './gateway.js'
export { type HttpOptions, type HttpServer, startHttp } from './http/server.js'
export type { Certificate } from './http/tls.js'
export type { Operations } from './operations.js'
export type { GatewayOptions } from './options.js'
export { type BackupSummary, backupStore, restoreStore } from './store/backup.js'
export { rotateKeyFile } from './store/key-rotation.js'
export { type OpenedStore, openStore, type StoreOptions } from './store/open.js'
export type { AuditEvent, Change, Entry, Registry } from './store/registry.js'
export type {
  AuditLog,
  ImageRecord,
  LoginRecord,
  MinuteOfReading,
  RolloutDeviceRecord,
  RolloutRecord,
  Store,
  TelemetryStore,
  TokenRecord,
  UserRecord,
} from './store/store.js'
