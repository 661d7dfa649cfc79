import { codeOf } from '@posthorn/core/adapter'
import type { ErrorCode } from '@posthorn/core/adapter'
import { replyCodeOf, replyCodes, textOf } from './errorMapping.js'
import { contentOf } from './messageMapping.js'
import type { Failure, PendingPublish } from './pendingPublish.js'

/** Why the broker closed a publishing channel: who is to blame, and who only shared the channel. */
export interface Verdict {
  readonly culprits: ReadonlyMap<PendingPublish, Failure>
  /** To be published again, in this order; the same ids make that safe. */
  readonly innocents: readonly PendingPublish[]
}

/** Says which of these exchanges are gone; may reject when the connection breaks. */
export type FindMissing = (exchanges: readonly string[]) => Promise<ReadonlySet<string>>

/**
 * Sorts out what a channel held when the broker closed it: AMQP errors are asynchronous and hit all. Where the broker's answer does not show the culprit, nobody is published again, or it would take the next
 * channel down too.
 */
export async function judge(
  inFlight: readonly PendingPublish[],
  error: Error,
  findMissing: FindMissing,
): Promise<Verdict> {
  const isCulprit = await culpritTest(inFlight, error, findMissing)
  const unsettled = inFlight.filter((pending) => !pending.isSettled)
  if (isCulprit === undefined) return { culprits: blameAll(unsettled, error), innocents: [] }
  const suspects = inFlight.filter(isCulprit.test)
  const culprits = new Map<PendingPublish, Failure>()
  for (const pending of unsettled) {
    if (!suspects.includes(pending)) continue
    // With several suspects, the first ones may have gone through before the exchange disappeared.
    const refusedBeforeRouting = isCulprit.each || suspects.length === 1
    culprits.set(pending, { code: isCulprit.code, what: isCulprit.what, cause: error, refusedBeforeRouting })
  }
  return { culprits, innocents: unsettled.filter((pending) => !culprits.has(pending)) }
}

interface CulpritTest {
  readonly code: ErrorCode
  readonly what: string
  readonly test: (pending: PendingPublish) => boolean
  /** Each suspect alone would have been refused. */
  readonly each: boolean
}

async function culpritTest(
  inFlight: readonly PendingPublish[],
  error: Error,
  findMissing: FindMissing,
): Promise<CulpritTest | undefined> {
  const code = replyCodeOf(error)
  if (code === replyCodes.accessRefused) return testForExchange(error)
  if (code === replyCodes.preconditionFailed) return testForSize(error)
  if (code !== replyCodes.notFound) return undefined
  const exchanges = new Set(inFlight.map((pending) => pending.address.exchange).filter((name) => name !== ''))
  const missing = await findMissing([...exchanges])
  return {
    code: 'POSTHORN_PUBLISH_NO_DESTINATION',
    what: 'has no destination: its exchange does not exist. Create it, or use topology "apply"',
    test: (pending) => missing.has(pending.address.exchange),
    each: false,
  }
}

function testForExchange(error: Error): CulpritTest | undefined {
  const text = textOf(error)
  const exchange = /exchange '([^']*)'/.exec(text)?.[1]
  if (exchange === undefined) return undefined
  // Of a topic permission, which may allow other routing keys; it names the key before the exchange.
  const topic = /to topic '(.*?)' in exchange/.exec(text)?.[1]
  const what = topic === undefined ? 'its exchange' : `its exchange with the routing key "${topic}"`
  return {
    code: 'POSTHORN_PUBLISH_FAILED',
    what: `was refused: the user may not publish to ${what}. Grant the permission`,
    test: ({ address }) => address.exchange === exchange && (topic === undefined || address.routingKey === topic),
    each: false,
  }
}

function testForSize(error: Error): CulpritTest | undefined {
  const limit = /message size \d+ is larger than configured max size (\d+)/.exec(textOf(error))?.[1]
  if (limit === undefined) return undefined
  return {
    code: 'POSTHORN_PUBLISH_TOO_LARGE',
    what: `is larger than the ${limit} bytes that the broker takes. Store the data elsewhere and send "dataref"`,
    test: (pending) => pending.message !== undefined && contentOf(pending.message).length > Number(limit),
    each: true,
  }
}

function blameAll(pending: readonly PendingPublish[], error: Error): Map<PendingPublish, Failure> {
  const what = `lost its channel before the confirmation: ${textOf(error)}`
  return new Map(pending.map((one) => [one, { code: 'POSTHORN_PUBLISH_CONNECTION_LOST', what, cause: error }]))
}

/** Why a message cannot go to an exchange that could not be declared or verified. It was not written for that. */
export function declarationFailureOf(error: unknown): Failure {
  return {
    code: declarationCodes.get(codeOf(error)) ?? 'POSTHORN_PUBLISH_REFUSED',
    what: `has no destination yet: ${textOf(error)}`,
    cause: error,
  }
}

/** What else fails may pass by itself. */
const declarationCodes = new Map<ErrorCode | undefined, ErrorCode>([
  ['POSTHORN_TOPOLOGY_MISSING', 'POSTHORN_PUBLISH_NO_DESTINATION'],
  ['POSTHORN_TOPOLOGY_MISMATCH', 'POSTHORN_PUBLISH_FAILED'],
  ['POSTHORN_AUTHENTICATION', 'POSTHORN_PUBLISH_FAILED'],
])
