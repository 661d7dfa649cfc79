import { readUsers } from '../input/readUsers.js'
import { ShopError } from '../shopError.js'
import type { Registrar } from './registrar.js'
import { untilAborted } from './untilAborted.js'

/** So many at once: registering one after the other would take a round trip each. */
const batchSize = 1_000

/** Registers the users of a file; resolves when all are known, or at the signal. */
export async function registerAll(path: string, registrar: Registrar, signal: AbortSignal): Promise<void> {
  let batch: Promise<void>[] = []
  for await (const userId of readUsers(path)) {
    if (signal.aborted) return
    const registered = register(userId, registrar)
    registered.catch(() => {}) // It is awaited with its batch, and must not count as unhandled until then.
    batch.push(registered)
    if (batch.length < batchSize) continue
    await untilAborted(Promise.all(batch), signal)
    batch = []
  }
  await untilAborted(Promise.all(batch), signal)
}

/** A user whose news is lost is counted by the registrar, and the orders of all others go on. */
async function register(userId: string, registrar: Registrar): Promise<void> {
  try {
    await registrar.ready(userId)
  } catch (error) {
    if (!(error instanceof ShopError) || error.code !== 'SHOP_USER_LATE') throw error
  }
}
