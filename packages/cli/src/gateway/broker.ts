import { UsmpError } from '@usmp/core'
import { readPemFile } from '@usmp/node/key-files'
import { type Command, Option } from 'commander'
import { readSecretText } from '../secret-text.js'

/** Where the password is looked for when no file is given. */
const PASSWORD_VARIABLE = 'USMP_BROKER_PASSWORD'

/** How to reach an MQTT broker, as it stands on the command line. */
export interface BrokerFlags {
  readonly site?: string
  readonly brokerUser?: string
  readonly brokerPasswordFile?: string
  readonly brokerCa?: string
  readonly brokerCert?: string
  readonly brokerKey?: string
  readonly mqttVersion?: '3.1.1' | '5'
}

export function addBrokerOptions(command: Command): Command {
  return command
    .option('--site <NAME>', 'where gateway and devices meet at the broker: letters, digits, - and _ (default: home)')
    .option('--broker-user <NAME>', 'user name at the broker')
    .option('--broker-password-file <FILE>', `its password; without it ${PASSWORD_VARIABLE} of the environment`)
    .option(
      '--broker-ca <FILE>',
      'for mqtts:// and wss://: trust these certificates (PEM), not the well-known authorities',
    )
    .option('--broker-cert <FILE>', 'a certificate (PEM) for a broker that asks for one …')
    .option('--broker-key <FILE>', '… and its private key (PEM)')
    .addOption(new Option('--mqtt-version <VERSION>', 'default: 3.1.1').choices(['3.1.1', '5']))
}

/**
 * The options of @usmp/mqtt for a broker.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function brokerOf(url: URL, flags: BrokerFlags) {
  const { brokerUser: username, brokerCa, brokerCert, brokerKey, mqttVersion: protocol } = flags
  const password = await passwordOf(flags)
  return {
    url,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(brokerCa === undefined ? {} : { ca: await readPemFile(brokerCa) }),
    ...(brokerCert === undefined ? {} : { cert: await readPemFile(brokerCert) }),
    ...(brokerKey === undefined ? {} : { key: await readPemFile(brokerKey) }),
    ...(protocol === undefined ? {} : { protocol }),
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseBrokerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url?.hostname || !/^(mqtts?|wss?):$/.test(url.protocol)) {
    throw new UsmpError(
      'INVALID_ARGUMENT',
      'the address of a broker must begin with mqtt://, mqtts://, ws:// or wss://',
      {
        hint: 'For example mqtt://127.0.0.1:1883 or mqtts://broker.example.',
      },
    )
  }
  if (url.username || url.password) {
    throw new UsmpError('INVALID_ARGUMENT', 'user and password do not belong into the address of a broker', {
      hint: `Others can see the command line. Give --broker-user, and the password by --broker-password-file or ${PASSWORD_VARIABLE}.`,
    })
  }
  return url
}

async function passwordOf({ brokerUser, brokerPasswordFile }: BrokerFlags): Promise<string | undefined> {
  if (brokerPasswordFile !== undefined) return readSecretText(brokerPasswordFile)
  return brokerUser === undefined ? undefined : process.env[PASSWORD_VARIABLE]
}
