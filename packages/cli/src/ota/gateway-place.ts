import { UsmpError } from '@usmp/core'
import type { GatewayClient } from '@usmp/gateway/program'
import { readPemFile } from '@usmp/node/key-files'
import type { Command } from 'commander'
import { defaultFolder } from '../data-folder.js'
import { loadProgram } from '../gateway/package.js'
import { readSecretText } from '../secret-text.js'

/** Which gateway a command is for. */
export interface GatewayPlaceFlags {
  readonly data?: string
  readonly url?: string
  readonly tokenFile?: string
  readonly ca?: string
}

/** Adds the options of {@link GatewayPlaceFlags}. */
export function addGatewayPlace(command: Command): Command {
  return command
    .option('--data <FOLDER>', 'the folder of a gateway that runs on this machine')
    .option('--url <URL>', '… or the address of its page, as https://gateway.example:8700 …')
    .option('--token-file <FILE>', '… and a token for it, of role admin')
    .option('--ca <FILE>', 'for https: trust these certificates (PEM)')
}

/**
 * The gateway that the flags name: by its folder, where a command on this machine needs no token, or by its address.
 * @throws UsmpError INVALID_ARGUMENT; GatewayError WRONG_STATE if none runs
 */
export async function openGateway({ data, url, tokenFile, ca }: GatewayPlaceFlags): Promise<GatewayClient> {
  const { clientOf, clientOfFolder } = await loadProgram()
  if (url === undefined) {
    if (tokenFile !== undefined || ca !== undefined) {
      throw new UsmpError('INVALID_ARGUMENT', '--token-file and --ca belong to --url')
    }
    return clientOfFolder(data ?? defaultFolder('usmp-gateway'))
  }
  if (data !== undefined) throw new UsmpError('INVALID_ARGUMENT', '--data and --url exclude each other')
  if (tokenFile === undefined) {
    throw new UsmpError('INVALID_ARGUMENT', '--url needs --token-file', {
      hint: 'An admin makes a token on the page, under Access; put it into a file that you alone can read.',
    })
  }
  const token = await readSecretText(tokenFile)
  return clientOf({ url, token, ca: ca === undefined ? undefined : await readPemFile(ca) })
}
