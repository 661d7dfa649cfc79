import { codeOf } from '../src/errors.js'

/** The code with which a promise rejects; fails when it resolves. */
export async function rejectionCode(promise: Promise<unknown>): Promise<string | undefined> {
  return codeOf(await rejection(promise))
}

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection')
    },
    (error: unknown) => error,
  )
}

export function thrown(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('expected a throw')
}

export const thrownCode = (action: () => unknown): string | undefined => codeOf(thrown(action))

/** Every problem that a refused set-up lists. */
export function problemsOf(action: () => unknown): readonly string[] {
  const error = thrown(action) as { code?: string; details?: { problems?: readonly string[] } }
  if (error.code !== 'POSTHORN_CONFIGURATION') throw error
  return error.details?.problems ?? []
}

/** Whether a promise settles without any time passing. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  return settled
}
