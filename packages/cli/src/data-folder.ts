import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where a program of this user keeps what it knows, unless told: where the system has such data. */
export function defaultFolder(name: 'usmp-gateway' | 'usmp-gateway-demo' | 'usmp-relay'): string {
  const { XDG_DATA_HOME, LOCALAPPDATA } = process.env
  if (process.platform === 'win32') return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), name)
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', name)
  return join(XDG_DATA_HOME || join(homedir(), '.local', 'share'), name)
}
