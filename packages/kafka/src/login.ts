import { askCredentials, CredentialsError } from '@posthorn/core/adapter'
import type { AskedFunction, Clock } from '@posthorn/core/adapter'
import type { DriverLogin, LoginSecret } from './driver/driver.js'
import { DriverError } from './driver/driverError.js'
import type { KafkaSasl, Settings } from './options.js'

/** What a login needs beside the options. */
export interface LoginParts {
  readonly clock: Clock
  /** Nobody waits for a secret any more. */
  readonly stop: AbortSignal
}

/** How the driver logs in; undefined where the options say nothing of it. Asks for secrets that change, each time. */
export function createLogin({ sasl, connectTimeoutMs }: Settings, parts: LoginParts): DriverLogin | undefined {
  if (sasl === undefined) return undefined
  async function ask(name: string, source: AskedFunction): Promise<unknown> {
    return askCredentials(source, { ...parts, name, timeoutMs: connectTimeoutMs })
  }
  return {
    mechanism: mechanisms[sasl.mechanism],
    async secret() {
      try {
        return await secretOf(sasl, ask)
      } catch (cause) {
        const message = cause instanceof CredentialsError ? cause.message : 'There are no credentials'
        throw new DriverError({ kind: 'credentials', message, written: 'no', cause })
      }
    },
  }
}

const mechanisms: Readonly<Record<KafkaSasl['mechanism'], DriverLogin['mechanism']>> = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
  oauthbearer: 'OAUTHBEARER',
}

type Ask = (name: string, source: AskedFunction) => Promise<unknown>

// Says what is missing, never what was there.
async function secretOf(sasl: KafkaSasl, ask: Ask): Promise<LoginSecret> {
  if (sasl.mechanism === 'oauthbearer') {
    const token = await ask('sasl.token', sasl.token)
    // Both end a part of the message that carries it.
    if (typeof token === 'string' && /^[^\s\u0001]+$/.test(token)) return { username: '', password: token }
    throw new CredentialsError('The function "sasl.token" must give a token, a string without spaces')
  }
  if (!('credentials' in sasl)) return sasl
  const given = await ask('sasl.credentials', sasl.credentials)
  const { username, password } = (typeof given === 'object' && given !== null ? given : {}) as Partial<LoginSecret>
  if (typeof username === 'string' && typeof password === 'string') return { username, password }
  throw new CredentialsError('The function "sasl.credentials" must give { username, password }, two strings')
}
