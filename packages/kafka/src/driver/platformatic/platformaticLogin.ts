import type { SASLCustomAuthenticator, SASLOptions } from '@platformatic/kafka'
import type { DriverLogin, DriverSettings } from '../driver.js'
import { logIn } from '../saslExchange.js'

/**
 * Our own side of SASL for the client. It is not told how long the login holds: it would log in again on a connection
 * that is in use, and a request of ours between the two messages of that makes the broker hang up.
 */
export function saslOf(
  { login }: DriverSettings,
  onLifetime: (lifetimeMs: number) => void,
): { readonly sasl?: SASLOptions } {
  if (login === undefined) return {}
  const authenticate: SASLCustomAuthenticator = (_mechanism, connection, send, ...rest) => {
    const callback = rest.at(-1) as Parameters<SASLCustomAuthenticator>[6]
    let lifetimeMs = 0
    const say = (message: string): Promise<string> =>
      new Promise((resolve, reject) => {
        send(connection, Buffer.from(message), (error, answer) => {
          if (answer === undefined || error !== null) return reject(error ?? new Error('There was no answer'))
          lifetimeMs = Number(answer.sessionLifetimeMs)
          resolve(answer.authBytes.toString())
        })
      })
    async function answer(to: DriverLogin): Promise<void> {
      try {
        await logIn(to, say)
      } catch (error) {
        return callback(error as Error)
      }
      callback(null, { errorCode: 0, errorMessage: null, authBytes: Buffer.alloc(0), sessionLifetimeMs: 0n })
      if (lifetimeMs > 0) onLifetime(lifetimeMs)
    }
    void answer(login)
  }
  return { sasl: { mechanism: login.mechanism, authenticate } }
}
