import type { Envelope } from '@posthorn/core'
import { EnvelopeValidationError } from '@posthorn/core'
import { timestampMs } from '@posthorn/core/adapter'
import type { InboxKey, InboxStore, InboxVerdict } from './ports.js'

/**
 * Remembers messages and tells what is known of each, in their order. A message that stands twice in the list is new once.
 * They are written in one order everywhere: two batches that share messages would otherwise wait for each other.
 */
export async function rememberAll<Tx>(
  store: InboxStore<Tx>,
  tx: Tx,
  keys: readonly InboxKey[],
): Promise<readonly InboxVerdict[]> {
  const unique = new Map(keys.map((key) => [identityOf(key), key]))
  const identities = [...unique.keys()].sort()
  const verdicts = await store.remember(
    tx,
    identities.map((identity) => unique.get(identity)!),
  )
  const known = new Map(identities.map((identity, index) => [identity, verdicts[index]]))
  return keys.map((key) => {
    const identity = identityOf(key)
    const verdict = known.get(identity)
    if (verdict === undefined) throw new TypeError('InboxStore.remember gave no verdict for a key')
    if (verdict === 'new') known.set(identity, 'duplicate')
    return verdict
  })
}

/** The key of a message for one consumer; throws where the message has no identity. */
export function inboxKeyOf(consumer: string, { source, id, time }: Envelope): InboxKey {
  if (source === '' || id === '') throw noIdentity()
  return { consumer, source, id, time: time === undefined ? undefined : new Date(timestampMs(time)) }
}

const identityOf = ({ source, id }: InboxKey): string => JSON.stringify([source, id])

/** With an empty key all messages would be duplicates of the first. */
function noIdentity(): EnvelopeValidationError {
  return new EnvelopeValidationError({
    code: 'POSTHORN_INVALID_ENVELOPE',
    message: 'A message without source or id cannot be remembered',
    issues: [],
  })
}
