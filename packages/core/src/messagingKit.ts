import type { Contract } from '@posthorn/contracts'
import { destinationProblem } from '@posthorn/contracts'
import type { Clock } from './clock.js'
import { systemClock } from './clock.js'
import { createContractRegistry } from './envelope/contractRegistry.js'
import { createEnvelopeValidator } from './envelope/envelopeValidator.js'
import { defaultLimits } from './envelope/jsonGuard.js'
import type { Limits } from './envelope/jsonGuard.js'
import { structuredMode } from './envelope/structuredMode.js'
import type { WireFormat } from './envelope/wireFormat.js'
import { createUuidV7 } from './ids.js'
import type { IdGenerator } from './ids.js'
import { createDefaultLogger } from './logger.js'
import type { Logger } from './logger.js'
import { optionProblems, wholeNumber } from './optionProblems.js'
import type { Transport } from './ports.js'
import type { MessagingKit } from './publisher/publisherOptions.js'

/** What services, publishers and consumers are made from. */
export interface KitOptions {
  /** CloudEvents `source` of what is published: a URI-reference that names the service, `/shop/checkout`. */
  readonly source: string
  /** Made by an adapter: `createRabbitMq`, `createKafka`, `createMemory`. Opened and closed by this service alone. */
  readonly transport: Transport
  /** @default pino on standard error */
  readonly logger?: Logger
  /** @default the machine's clock */
  readonly clock?: Clock
  /** @default UUIDv7 */
  readonly newId?: IdGenerator
  /** What is refused before it is parsed, and before it is sent. */
  readonly limits?: Partial<Limits>
  /** Schemas that can block the event loop: exponential patterns, unbounded `uniqueItems`. @default 'refuse' */
  readonly unsafeSchemas?: 'refuse' | 'allow'
  /** @default `structuredMode()` */
  readonly wireFormat?: WireFormat
  /** Wire formats of single destinations, by name. */
  readonly wireFormats?: Readonly<Record<string, WireFormat>>
  /** Contracts that will be published: checked at once, and their destinations exist once `start()` resolves. */
  readonly publishes?: readonly Contract[]
}

/** Problems of the shared options that their rules cannot see. */
export function kitProblems(options: KitOptions): string[] {
  const problems = optionProblems('limits', options.limits ?? {}, {
    maxBodyBytes: wholeNumber(1),
    maxDepth: wholeNumber(1, 1000),
  })
  if (typeof options.source === 'string' && /[\s\u0000-\u001f]/.test(options.source)) {
    problems.push('source must be a URI-reference without spaces, such as /shop/checkout')
  }
  if (typeof options.transport === 'object' && typeof options.transport.send !== 'function') {
    problems.push('transport must come from an adapter: createRabbitMq, createKafka or createMemory')
  }
  for (const destination of Object.keys(options.wireFormats ?? {})) {
    const problem = destinationProblem(destination)
    if (problem !== undefined) problems.push(`wireFormats: ${problem}`)
  }
  return problems
}

/** Puts the shared parts together; the options have been checked. */
export function createKit(options: KitOptions): MessagingKit {
  const clock = options.clock ?? systemClock
  const fallback = options.wireFormat ?? structuredMode()
  const formats = new Map(Object.entries(options.wireFormats ?? {}))
  return {
    source: options.source,
    transport: options.transport,
    clock,
    logger: options.logger ?? createDefaultLogger(),
    newId: options.newId ?? createUuidV7(clock),
    registry: createContractRegistry(
      options.unsafeSchemas === undefined ? {} : { unsafeSchemas: options.unsafeSchemas },
    ),
    validateEnvelope: createEnvelopeValidator(),
    wireContext: {
      limits: { ...defaultLimits, ...options.limits },
      binaryPrefix: options.transport.capabilities.binaryPrefix,
    },
    wireFormatOf: (destination) => formats.get(destination) ?? fallback,
  }
}
