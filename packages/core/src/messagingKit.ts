import type { Contract } from '@posthorn/contracts'
import { destinationProblem } from '@posthorn/contracts'
import type { Clock } from './clock.js'
import { systemClock } from './clock.js'
import { createContractRegistry } from './envelope/contractRegistry.js'
import { createEnvelopeValidator } from './envelope/envelopeValidator.js'
import { defaultLimits } from './envelope/jsonGuard.js'
import type { Limits } from './envelope/jsonGuard.js'
import { structuredMode } from './envelope/structuredMode.js'
import type { WireContext, WireFormat } from './envelope/wireFormat.js'
import { ConfigurationError } from './errors.js'
import { createUuidV7 } from './ids.js'
import type { IdGenerator } from './ids.js'
import { createDefaultLogger, guardLogger } from './logger.js'
import type { Logger } from './logger.js'
import { createLog } from './logs/createLog.js'
import { logProblems, normalLogOptions } from './logs/logOptions.js'
import type { LogOptions } from './logs/logOptions.js'
import { optionProblems, wholeNumber, withDefaults } from './optionProblems.js'
import type { Transport } from './ports.js'
import type { Telemetry } from './telemetry.js'
import type { MessageKit, MessagingKit } from './publisher/publisherOptions.js'

/** What everything that builds messages is made from. */
export interface MessageKitOptions {
  /** CloudEvents `source` of what is published: a URI-reference that names the service, `/shop/checkout`. */
  readonly source: string
  /** @default pino on standard error */
  readonly logger?: Logger
  /** What Posthorn's own records may say, and how often. */
  readonly logs?: LogOptions
  /** @default the machine's clock */
  readonly clock?: Clock
  /** @default UUIDv7 */
  readonly newId?: IdGenerator
  /** What is refused before it is parsed, and before it is sent. */
  readonly limits?: Partial<Limits>
  /**
   * Schemas that may let one message block the event loop (patterns that nest repetitions, unbounded `uniqueItems`).
   * `refuse` where producers are not trusted; it also refuses some that are harmless. @default 'warn'
   */
  readonly unsafeSchemas?: 'warn' | 'refuse' | 'allow'
  /** @default `structuredMode()` */
  readonly wireFormat?: WireFormat
  /** Wire formats of single destinations, by name. */
  readonly wireFormats?: Readonly<Record<string, WireFormat>>
  /** Contracts that will be published: checked at once, and their destinations exist once `start()` resolves. */
  readonly publishes?: readonly Contract[]
  /** Traces and metrics, made by `createOpenTelemetry` of `@posthorn/opentelemetry`; without it nothing of it costs. @default none */
  readonly telemetry?: Telemetry
}

/** What services, publishers and consumers are made from. */
export interface KitOptions extends MessageKitOptions {
  /** Made by an adapter: `createRabbitMq`, `createKafka`, `createMemory`. Opened and closed by this service alone. */
  readonly transport: Transport
}

/** Problems of the shared options that their rules cannot see; takes whatever was given. */
export function kitProblems(options: Partial<KitOptions>): string[] {
  const { limits = {}, logs = {}, source, transport, wireFormat, wireFormats } = options
  const problems = optionProblems('limits', limits, {
    maxBodyBytes: wholeNumber(1),
    maxDepth: wholeNumber(1, 1000),
  })
  problems.push(...logProblems(logs))
  if (typeof source === 'string' && /[\s\u0000-\u001f]/.test(source)) {
    problems.push('source must be a URI-reference without spaces, such as /shop/checkout')
  }
  if (typeof transport === 'object' && !isTransport(transport)) {
    problems.push('transport must come from an adapter: createRabbitMq, createKafka or createMemory')
  }
  if (typeof wireFormat === 'object' && !isWireFormat(wireFormat)) problems.push('wireFormat must be a wire format')
  for (const [destination, format] of Object.entries(wireFormats ?? {})) {
    const problem = destinationProblem(destination)
    if (problem !== undefined) problems.push(`wireFormats: ${problem}`)
    if (!isWireFormat(format)) problems.push(`wireFormats.${destination} must be a wire format`)
  }
  return problems
}

function isWireFormat(value: WireFormat | null): boolean {
  return typeof value?.read === 'function' && typeof value.write === 'function'
}

/** Whether a value can be asked for its capabilities. */
export function isTransport(value: unknown): value is Transport {
  const transport = value as Partial<Transport> | undefined
  return typeof transport?.send === 'function' && typeof transport.capabilities === 'object'
}

/** Puts the shared parts together; the options have been checked. */
export function createKit(options: KitOptions): MessagingKit {
  const { telemetry } = options
  const transport = telemetry === undefined ? options.transport : telemetry.observe(options.transport)
  return { ...createMessageKit(options, transport.capabilities.binaryPrefix), transport }
}

/** As `createKit`, where nobody sends: what is built goes elsewhere. */
export function createMessageKit(options: MessageKitOptions, binaryPrefix: string | undefined): MessageKit {
  const clock = options.clock ?? systemClock
  const given = options.logger ?? createDefaultLogger()
  const logger = createLog(given, clock, normalLogOptions(options.logs))
  const fallback = options.wireFormat ?? structuredMode()
  const formats = new Map(Object.entries(options.wireFormats ?? {}))
  return {
    source: options.source,
    clock,
    logger,
    handlerLogger: guardLogger(given),
    newId: options.newId ?? createUuidV7(clock),
    registry: createContractRegistry({ logger, unsafeSchemas: options.unsafeSchemas ?? 'warn' }),
    validateEnvelope: createEnvelopeValidator(),
    wireContext: wireContextOf(withDefaults(defaultLimits, options.limits), binaryPrefix),
    wireFormatOf: (destination) => formats.get(destination) ?? fallback,
    telemetry: options.telemetry,
  }
}

/** A format of a user's own may read the prefix although it does not say that it needs one. */
function wireContextOf(limits: Limits, binaryPrefix: string | undefined): WireContext {
  if (binaryPrefix !== undefined) return { limits, binaryPrefix }
  return {
    limits,
    get binaryPrefix(): string {
      throw new ConfigurationError('The wire format', [
        'binaryPrefix is not known here; give capabilities: transport.capabilities',
      ])
    },
  }
}
