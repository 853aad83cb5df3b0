// A whole gateway as one program, and what is done with its folder from the command line. `usmp gateway` is made of it.
export { brokerAcl } from '@usmp/mqtt'
export { newSetupLink, resetPasswordOf } from './program/administration.js'
export type { EmbeddedBrokerConfig, GatewayConfig, PageConfig } from './program/config.js'
export { DEFAULT_SITE } from './program/config.js'
export { type GatewayReports, type RunningGateway, runGateway } from './program/run.js'
export { exportAudit, verifyAudit } from './store/audit-copy.js'
export { type BackupSummary, backupStore, restoreStore } from './store/backup.js'
export { rotateKeyFile } from './store/key-rotation.js'
