import { askCredentials, CredentialsError } from '@posthorn/core/adapter'
import type { CredentialsWait } from '@posthorn/core/adapter'

/** A user name and a password (or a token in its place) that `credentials` gives for a while. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /**
   * How long they are good from now on, in milliseconds. Before it is over, the function is asked again and the running
   * connection gets the new password; shorter is safer, and asks more often.
   * @default for ever: they are asked again for the next connection only
   */
  readonly expiresInMs?: number
}

/**
 * Asked for credentials before every attempt to connect, and before they expire. It must settle within
 * `connectTimeoutMs`, then `signal` fires; an error counts as an attempt that failed, and is tried again.
 */
export type CredentialsSource = (request: { readonly signal: AbortSignal }) => Credentials | Promise<Credentials>

/** Resolves with credentials of the right shape, or rejects with a `CredentialsError` within `timeoutMs`. */
export async function credentialsOf(
  source: CredentialsSource,
  wait: Omit<CredentialsWait, 'name'>,
): Promise<Credentials> {
  return checked(await askCredentials(source, { ...wait, name: 'credentials' }))
}

// Says what is missing, never what was there.
function checked(given: unknown): Credentials {
  const { username, password, expiresInMs } = (typeof given === 'object' && given !== null ? given : {}) as {
    username?: unknown
    password?: unknown
    expiresInMs?: unknown
  }
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw new CredentialsError('The function "credentials" must give { username, password }, two strings')
  }
  if (expiresInMs === undefined) return { username, password }
  if (typeof expiresInMs !== 'number' || !(expiresInMs > 0)) {
    throw new CredentialsError('The function "credentials" must give a positive number, or nothing, as expiresInMs')
  }
  return { username, password, expiresInMs }
}
