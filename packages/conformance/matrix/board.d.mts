export function identity(deviceId: string, psk: Uint8Array): Buffer
export function machine(image: string, identityFile: string, flashFile?: string): string[]
