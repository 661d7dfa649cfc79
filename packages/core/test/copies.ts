import { deadLetterHeaders } from '../src/consumer/copyHeaders.js'
import type { FailureFacts } from '../src/consumer/copyHeaders.js'

/** When everything in these tests happens. */
export const nowIso = '2026-01-01T12:00:00.000Z'
export const facts = (more: Partial<FailureFacts> = {}): FailureFacts => ({
  attempt: 2,
  firstFailedAt: undefined,
  group: 'billing',
  origin: 'fake:orders.billing',
  nowIso,
  error: new Error('no'),
  ...more,
})
export const letter = (
  original: Record<string, string> = {},
  more: Partial<FailureFacts> = {},
): Record<string, string> => ({
  ...deadLetterHeaders(original, facts(more), 'retriesExhausted'),
})

/** What brokers wrote on the way. */
export const brokerHeaders = {
  'x-death': '[object Object]',
  'x-first-death-reason': 'expired',
  'x-first-death-queue': 'orders.billing',
  'x-last-death-reason': 'expired',
  'x-last-death-exchange': '',
  'x-delivery-count': '3',
  'x-acquired-count': '4',
}

/** What an earlier dead letter said of its own failure, when it was replayed as it stood. */
export const staleHeaders = {
  'posthorn-reason': 'invalid',
  'posthorn-error-name': 'OldError',
  'posthorn-error-message': 'old',
  'posthorn-error-stack': 'old stack',
  'posthorn-issues': '[{"pointer":"/old"}]',
  'posthorn-not-before': '1',
  'posthorn-last-failed-at': '2020-01-01T00:00:00Z',
  'posthorn-group': 'mail',
  'posthorn-host': 'old-host',
}
