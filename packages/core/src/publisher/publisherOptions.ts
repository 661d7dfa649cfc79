import type { Contract } from '@posthorn/contracts'
import type { Clock } from '../clock.js'
import type { EnvelopeDraft, TraceHeaders } from '../envelope/buildEnvelope.js'
import type { ContractRegistry } from '../envelope/contractRegistry.js'
import type { EnvelopeValidator } from '../envelope/envelopeValidator.js'
import type { WireContext, WireFormat } from '../envelope/wireFormat.js'
import type { IdGenerator } from '../ids.js'
import type { Logger } from '../logger.js'
import type { Log } from '../logs/createLog.js'
import { anything, boolean, callable, listOf, object, oneOf, text, wholeNumber } from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import type { Transport } from '../ports.js'
import { telemetryRule } from '../telemetry.js'
import type { Telemetry } from '../telemetry.js'

/** A message on its way out: the draft of its envelope, and headers for this hop only. */
export interface Outgoing {
  readonly contract: Contract
  readonly envelope: EnvelopeDraft
  readonly headers: Record<string, string>
}

/** Changes a message before it is validated: adds extensions or hop headers, never data. */
export type PublishDecorator = (outgoing: Outgoing) => void

/** How messages are built, whether they are published or stored in an outbox. */
export interface MessageSettings {
  /**
   * Reject also an event that nobody receives; a transport that cannot tell (Kafka) refuses the option.
   * @default only commands must be routed, where the transport can tell
   */
  readonly mustRoute?: boolean
  /** What happens with data that breaks its schema; `warn` sends it, for rollouts. @default 'reject' */
  readonly validation?: 'reject' | 'warn'
  /** Called for every message before it is validated, in order. */
  readonly decorators?: readonly PublishDecorator[]
  /** Gives the active trace; its context becomes the origin's extension and the hop's header. @default that of `telemetry` */
  readonly captureTrace?: () => TraceHeaders
}

/** What a publisher may be told beyond its transport and source. */
export interface PublisherSettings extends MessageSettings {
  /** How long a publish may take until it rejects, in milliseconds, waiting included. @default 30_000 */
  readonly deadlineMs?: number
  /** Messages unconfirmed at once; more wait. Larger gives throughput, and more `unknown` after a crash. @default 2_000 */
  readonly maxUnconfirmed?: number
  /** Bytes unconfirmed at once. @default 67_108_864 (64 MiB) */
  readonly maxUnconfirmedBytes?: number
}

/** What building a message takes; there may be no transport yet. */
export interface MessageKit {
  readonly source: string
  readonly clock: Clock
  /** For what Posthorn writes. */
  readonly logger: Log
  /** The user's own, which never throws: for what handlers write. */
  readonly handlerLogger: Logger
  readonly newId: IdGenerator
  readonly registry: ContractRegistry
  readonly validateEnvelope: EnvelopeValidator
  readonly wireFormatOf: (destination: string) => WireFormat
  readonly wireContext: WireContext
  readonly telemetry: Telemetry | undefined
}

/** The parts that a publisher shares with the consumers of its service. */
export interface MessagingKit extends MessageKit {
  readonly transport: Transport
}

export const messageRules: Readonly<Record<keyof MessageSettings, OptionRule>> = {
  mustRoute: boolean,
  validation: oneOf('reject', 'warn'),
  decorators: listOf(callable),
  captureTrace: callable,
}

export const publisherRules: Readonly<Record<keyof PublisherSettings, OptionRule>> = {
  deadlineMs: wholeNumber(1),
  maxUnconfirmed: wholeNumber(1),
  maxUnconfirmedBytes: wholeNumber(1),
  ...messageRules,
}

/** The rules of what everything that builds messages shares. */
export const messageKitRules: Readonly<Record<string, OptionRule>> = {
  source: text,
  clock: object,
  logger: object,
  logs: anything, // Has rules of its own.
  newId: callable,
  limits: anything, // Has rules of its own.
  unsafeSchemas: oneOf('warn', 'refuse', 'allow'),
  wireFormat: object,
  wireFormats: object,
  publishes: listOf(contract),
  telemetry: telemetryRule,
}

/** The rules of what `createService`, `createPublisher` and `createConsumer` share. */
export const kitRules: Readonly<Record<string, OptionRule>> = { ...messageKitRules, transport: object }

/** Those of a list that are contracts; what else stands in it is a problem of its own. */
export function contractsOf(list: unknown): Contract[] {
  return Array.isArray(list) ? list.filter((element) => contract(element, '') === undefined) : []
}

function contract(value: unknown, path: string): string | undefined {
  const known = typeof value === 'object' && value !== null && 'identity' in value && 'schema' in value
  return known ? undefined : `${path} must be a contract made by defineEvent or defineCommand`
}

/** Says what the transport cannot honour of these settings. */
export function routingProblems(
  settings: { readonly mustRoute?: boolean },
  transport: { readonly system: string; readonly capabilities: { readonly routed?: boolean } } | undefined,
): string[] {
  if (settings?.mustRoute !== true || transport?.capabilities?.routed !== false) return []
  return [`mustRoute: ${transport.system} cannot tell whether a message was routed; leave the option away`]
}
