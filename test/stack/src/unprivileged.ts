import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ServerCommand } from './server.js'

/** Whether servers that refuse to run as root need another user. */
export const isRoot: boolean = process.getuid?.() === 0

// PostgreSQL needs a user with a name.
const nobody = 65534

/** The owner of what such a server writes. */
export const unprivileged = { uid: nobody, gid: nobody } as const

/** The command, run as a user that may do nothing where we are root. */
export const asUnprivileged = (command: string, args: readonly string[]): ServerCommand =>
  isRoot
    ? { command: 'setpriv', args: [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', command, ...args] }
    : { command, args }

/** A private TMPDIR, as some login sessions have, would fail much later and much less clearly. */
export const checkThatOthersMayEnter = (folder: string): void => {
  if (!isRoot) return
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) {
      throw new Error(`The server does not run as root, and others may not enter ${at}: set TMPDIR to another folder`)
    }
  }
}
