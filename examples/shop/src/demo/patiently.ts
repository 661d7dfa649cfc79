import { setTimeout as rest } from 'node:timers/promises'
import { codeOf } from '@posthorn/core'
import { ShopError } from '../shopError.js'

const maxTries = 5
const restMs = 500

/**
 * Publishes again where the error says that it may help. `publish` must repeat its message's id: then a message that had
 * arrived after all is recognised.
 */
export async function patiently<Result>(publish: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await publish()
    } catch (error) {
      const isKnown = codeOf(error) !== undefined || error instanceof ShopError
      const isRetryable = isKnown && (error as { readonly retryable?: unknown }).retryable === true
      if (!isRetryable || tries === maxTries || signal.aborted) throw error
      await rest(restMs)
    }
  }
}
