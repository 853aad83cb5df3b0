import { UsmpError } from '@usmp/core'
import { defaultFolder } from '../data-folder.js'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { printableJson } from '../printable.js'
import { loadProgram } from './package.js'

/** Of the commands that work on a folder of a gateway. */
export interface FolderFlags {
  readonly data?: string
  readonly keyFile?: string
}

export interface AclFlags {
  readonly broker: 'mosquitto' | 'emqx'
  readonly site?: string
  readonly brokerUser?: string
}

const folderOf = ({ data }: FolderFlags) => data ?? defaultFolder('usmp-gateway')
const storeOptions = ({ keyFile }: FolderFlags) => (keyFile === undefined ? {} : { keyFile })

/** Writes the access list for a broker. */
export async function aclCommand({ broker, site = 'home', brokerUser }: AclFlags, output: Output): Promise<number> {
  const { brokerAcl } = await loadProgram()
  const user = brokerUser === undefined ? {} : { gatewayUser: brokerUser }
  await output.write(brokerAcl({ broker, site, ...user }))
  return ExitCode.OK
}

/** Writes a backup of a gateway that runs or not. */
export async function backupCommand(file: string, flags: FolderFlags, output: Output): Promise<number> {
  const { backupStore } = await loadProgram()
  const { devices, auditEntries } = await backupStore(folderOf(flags), file)
  output.status(
    `wrote ${devices} devices and ${auditEntries} entries of the audit log into ${file}`,
    { event: 'backup', file, devices, audit_entries: auditEntries },
    'The keys of devices in it are sealed: keep the key file (store.key) too, at another place.',
  )
  return ExitCode.OK
}

/** Makes the store of a gateway from a backup. */
export async function restoreCommand(file: string, flags: FolderFlags, output: Output): Promise<number> {
  const { restoreStore } = await loadProgram()
  const folder = folderOf(flags)
  const { devices, auditEntries, createdAt } = await restoreStore(file, folder)
  const of = new Date(createdAt).toISOString()
  output.status(
    `restored ${devices} devices and ${auditEntries} entries of the audit log into ${folder}, as of ${of}`,
    { event: 'restore', folder, devices, audit_entries: auditEntries, created_at: of },
    'The gateway needs the key file of that time: store.key in the folder, or --key-file.',
  )
  return ExitCode.OK
}

/** Checks the chain of hashes of the audit log. */
export async function auditVerifyCommand(flags: FolderFlags, output: Output): Promise<number> {
  const { verifyAudit } = await loadProgram()
  const { entries, brokenAt } = await verifyAudit(folderOf(flags))
  const fields = { event: 'audit', entries, broken_at: brokenAt }
  if (brokenAt === null) {
    await output.result(`${entries} entries, every hash fits`, fields)
    return ExitCode.OK
  }
  await output.result(`entry ${brokenAt} of ${entries} does not fit the ones before: the log was changed there`, fields)
  return ExitCode.PROTOCOL
}

/** Writes the audit log, one JSON object a line, oldest first. */
export async function auditExportCommand(flags: FolderFlags, output: Output): Promise<number> {
  const { exportAudit } = await loadProgram()
  await exportAudit(folderOf(flags), (entry) => output.write(`${printableJson(entry)}\n`))
  return ExitCode.OK
}

/** Prints a new link for the first user of a gateway that runs. */
export async function setupCommand(flags: FolderFlags, output: Output): Promise<number> {
  const { newSetupLink } = await loadProgram()
  const url = await newSetupLink(folderOf(flags))
  if (url === null) {
    throw new UsmpError('INVALID_ARGUMENT', 'this gateway has a user, so there is no setup link any more', {
      hint: 'Other users are made on its page by an admin. Is the password lost? `usmp gateway user reset-password NAME`',
    })
  }
  await output.result(url, { event: 'setup', url })
  return ExitCode.OK
}

/** Gives a user who is locked out a new password. */
export async function resetPasswordCommand(name: string, flags: FolderFlags, output: Output): Promise<number> {
  const { resetPasswordOf } = await loadProgram()
  const password = await resetPasswordOf(folderOf(flags), name, storeOptions(flags))
  output.status(
    `${name} has a new password, and is logged out everywhere`,
    { event: 'password', user: name },
    'It is shown only here. Choose your own one on the page, after you have logged in.',
  )
  await output.result(password, { event: 'password', user: name, password })
  return ExitCode.OK
}

/** Seals the keys of devices by a new key file. */
export async function rotateKeyCommand(flags: FolderFlags, output: Output): Promise<number> {
  const { rotateKeyFile } = await loadProgram()
  const keys = await rotateKeyFile(folderOf(flags), storeOptions(flags))
  output.status(
    `${keys} keys of devices are sealed by a new key file`,
    { event: 'rotated', keys },
    'Backups from before need the old key file.',
  )
  return ExitCode.OK
}
