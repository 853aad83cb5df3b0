export {
  type BundleFile,
  hashImageFile,
  type ImageFacts,
  readBundleFile,
  readManifestFile,
  writeBundleFile,
} from './node/bundle-file.js'
export { PublisherKey, WrongKeyPassphrase } from './node/publisher-key.js'
