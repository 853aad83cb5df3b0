// QEMU's machine as firmware-c/ports/bare/qemu_virt wants it.
import { randomBytes } from 'node:crypto'

/** What a factory writes into a device: id, PSK of 32 bytes, and the seed of one start (board.h there). */
export function identity(deviceId, psk) {
  const id = Buffer.from(deviceId.replaceAll(':', ''), 'hex')
  return Buffer.concat([Buffer.from('USMP'), id, Buffer.alloc(2), psk, randomBytes(32)])
}

/**
 * The arguments for an image and the file with its identity; its lines are the caller's matter. With a file for the second flash: then QEMU
 * takes no kernel, and the image is put into memory by itself.
 */
export function machine(image, identityFile, flashFile) {
  const board = ['-M', 'virt', '-cpu', 'rv32,a=false,f=false,d=false', '-bios', 'none', '-icount', 'shift=0']
  const flash = ['-device', `loader,file=${image}`, '-drive', `if=pflash,unit=1,format=raw,file=${flashFile}`]
  const memory = [
    ...(flashFile ? flash : ['-kernel', image]),
    '-device',
    `loader,file=${identityFile},addr=0x80400000,force-raw=on`,
  ]
  return [...board, ...memory, '-display', 'none', '-monitor', 'none']
}
