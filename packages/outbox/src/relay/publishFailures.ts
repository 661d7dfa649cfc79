import { codeOf } from '@posthorn/core/adapter'
import type { ErrorCode } from '@posthorn/core/adapter'

/**
 * `own`: the entry or its destination is wrong, so it is counted, and parks the key in the end. `outage`: any entry would have
 * failed, so nothing is counted and the key waits. `byRetryable`: the error itself says which.
 */
export type FailureKind = 'own' | 'outage' | 'byRetryable'

/** What a send may reject with, code by code. A test asserts that no code of sending is missing. */
export const failureKinds: Readonly<Partial<Record<ErrorCode, FailureKind>>> = {
  POSTHORN_UNREACHABLE: 'outage',
  POSTHORN_CONNECTION_LOST: 'outage',
  // Credentials and certificates are the operator's; no entry is to blame, and all would be parked.
  POSTHORN_AUTHENTICATION: 'outage',
  POSTHORN_TLS: 'outage',
  // The transport is closed or closing: the process stops.
  POSTHORN_NOT_STARTED: 'outage',
  POSTHORN_STOPPED: 'outage',
  POSTHORN_PUBLISH_DEADLINE: 'outage',
  POSTHORN_PUBLISH_ABORTED: 'outage',
  POSTHORN_PUBLISH_CONNECTION_LOST: 'outage',
  // A full queue and too few replicas pass; a refusal that says it is final does not.
  POSTHORN_PUBLISH_REFUSED: 'byRetryable',
  POSTHORN_PUBLISH_FAILED: 'byRetryable',
  POSTHORN_PUBLISH_MANY: 'byRetryable',
  // Rejected only for what must be received: nobody listens for this command.
  POSTHORN_PUBLISH_UNROUTED: 'own',
  POSTHORN_PUBLISH_NO_DESTINATION: 'own',
  POSTHORN_PUBLISH_TOO_LARGE: 'own',
  POSTHORN_TOPOLOGY_MISMATCH: 'own',
  POSTHORN_TOPOLOGY_MISSING: 'own',
  POSTHORN_OFFSETS_LOST: 'own',
}

/** Whether a failed send counts against its entry. What has no code is counted: it must not be repeated for ever. */
export function isOwnFailure(error: unknown): boolean {
  const code = codeOf(error)
  const kind = code === undefined ? 'own' : (failureKinds[code] ?? 'own')
  if (kind !== 'byRetryable') return kind === 'own'
  return (error as { readonly retryable?: unknown }).retryable !== true
}
