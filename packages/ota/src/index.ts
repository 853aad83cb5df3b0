export { type Bundle, joinBundle, splitBundle } from './bundle.js'
export { OtaCode, type OtaState, otaDeviceApi, otaGatewayApi, otaState } from './contract.js'
export { publicKeyOf, verifySignature } from './ed25519.js'
export { type OtaCodeName, OtaError, otaCodeName } from './errors.js'
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
  parseManifest,
  signManifest,
  verifyManifest,
} from './manifest.js'
export { assertPublisherKey, keyIdOf } from './publisher-key.js'
export { applyConfirmed, findKey, MAX_TRUSTED_KEYS, type TrustRecord } from './trust-record.js'
export { dayOf, formatDay, formatVersion, parseDay, parseVersion } from './version.js'
