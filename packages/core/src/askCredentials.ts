import type { Clock } from './clock.js'

/** There were no credentials to connect with. Tried again; says nothing of what the function has given. */
export class CredentialsError extends Error {}

/** A function of the application that gives a secret; `signal` fires when nobody waits for it any more. */
export type AskedFunction = (request: { readonly signal: AbortSignal }) => unknown

/** How the function is called, and how long it may take. */
export interface CredentialsWait {
  /** As the application knows it: `credentials`. */
  readonly name: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly stop: AbortSignal
}

/** Resolves with what the function gave, unchecked, or rejects with a `CredentialsError` within `timeoutMs`. */
export async function askCredentials(source: AskedFunction, wait: CredentialsWait): Promise<unknown> {
  const { name, timeoutMs, clock, stop } = wait
  const request = new AbortController()
  const { signal } = request
  let why = 'Nobody waits for credentials any more'
  const end = (): void => request.abort()
  const timer = clock.schedule(timeoutMs, () => {
    why = `The function "${name}" did not answer within ${timeoutMs} ms`
    end()
  })
  stop.addEventListener('abort', end)
  try {
    const givenUp = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new CredentialsError(why)))
      if (stop.aborted) end()
    })
    return await Promise.race([givenUp, Promise.resolve().then(() => source({ signal }))])
  } catch (error) {
    if (error instanceof CredentialsError) throw error
    throw new CredentialsError(`The function "${name}" failed: ${textOf(error)}`, { cause: error })
  } finally {
    timer.cancel()
    stop.removeEventListener('abort', end)
  }
}

/** Errors of Node.js for several addresses have only a code. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.name
}
