export {
  type BundleFile,
  hashImageFile,
  type ImageFacts,
  readBundleFile,
  readManifestFile,
  writeBundleFile,
} from './node/bundle-file.js'
export { FileSlots, type FileSlotsOptions, installSlots, type StartedSlot, startSlots } from './node/file-slots.js'
export { PublisherKey, WrongKeyPassphrase } from './node/publisher-key.js'
