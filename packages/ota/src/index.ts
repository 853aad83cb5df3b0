export { type Bundle, joinBundle, splitBundle } from './bundle.js'
export { ByteRate, type ByteRateOptions } from './byte-rate.js'
export { OtaCode, type OtaState, otaDeviceApi, otaGatewayApi, otaState } from './contract.js'
export { type DevicePeer, OtaDevice, type OtaDeviceOptions } from './device.js'
export type { DevicePort, Slot, SlotState } from './device-port.js'
export { publicKeyOf, verifySignature } from './ed25519.js'
export { type OtaCodeName, OtaError, otaCodeName } from './errors.js'
export { type ImageReader, type ImageSource, imageOf, VerifiedImage } from './image-source.js'
export { judgeManifest, type UpdateTarget } from './judge.js'
export {
  attachSignature,
  type Extension,
  encodeManifest,
  MAX_MANIFEST_SIZE,
  type Manifest,
  type ManifestFields,
  MIN_MANIFEST_SIZE,
  manifestSize,
  messageToSign,
  type NewManifest,
  parseManifest,
  signManifest,
  verifyManifest,
} from './manifest.js'
export { MemorySlots, type MemorySlotsOptions } from './memory-slots.js'
export { formatPublicKey, parsePublicKey } from './public-key-text.js'
export { assertPublisherKey, keyIdOf } from './publisher-key.js'
export {
  type SenderPeer,
  type SentUpdate,
  type Update,
  type UpdateEvent,
  UpdateSender,
  type UpdateSenderOptions,
} from './sender.js'
export { TransferError, type TransferErrorCode } from './transfer-error.js'
export { applyConfirmed, findKey, MAX_TRUSTED_KEYS, type TrustRecord } from './trust-record.js'
export { dayOf, formatDay, formatVersion, parseDay, parseVersion } from './version.js'
