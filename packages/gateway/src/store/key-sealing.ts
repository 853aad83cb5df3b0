/** Seals the keys of devices for the store, so that a copy of the database alone gives none away. */
export interface KeySealing {
  /** @returns text for a record, bound to the device id; two calls give two texts */
  seal(deviceId: string, psk: Uint8Array): string
  /**
   * @returns a copy of the key, which the caller wipes
   * @throws GatewayError STORE_FAILED if it was sealed by another key file, for another device, or was changed
   */
  open(deviceId: string, sealed: string): Uint8Array
}
