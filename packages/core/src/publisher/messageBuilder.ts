import type { Contract } from '@posthorn/contracts'
import { buildEnvelope } from '../envelope/buildEnvelope.js'
import type { EnvelopeOptions } from '../envelope/buildEnvelope.js'
import { ConfigurationError, SerializationError, codeOf } from '../errors.js'
import type { WireMessage } from '../ports.js'
import type { MessageKit, MessageSettings } from './publisherOptions.js'

/** Options of one message, beyond what its contract says. */
export interface MessageOptions extends EnvelopeOptions {
  /**
   * Broker headers for this hop; consumers see them in `context.headers`, dead letters keep them. Those that Posthorn,
   * CloudEvents or a broker's dead-lettering wrote are left out, so that a handler may hand its `context.headers` on.
   */
  readonly headers?: Readonly<Record<string, string>>
}

/** Builds, validates and encodes messages; publishing and the outbox share it, so that both say the same. */
export interface MessageBuilder {
  /** Throws an `EnvelopeValidationError` or `SerializationError` when the message may not leave. */
  build(contract: Contract, data: unknown, options: MessageOptions): WireMessage
}

/** Order of building: draft, decorators, validate once, encode. */
export function createMessageBuilder(kit: MessageKit, settings: MessageSettings): MessageBuilder {
  const { decorators, validation } = settings
  const captureTrace = settings.captureTrace ?? kit.telemetry?.captureTrace
  const now = isoClock(kit)

  function check(contract: Contract, data: unknown): void {
    const validate = kit.registry.validatorOf(contract)
    if (validation !== 'warn') return validate(data)
    try {
      validate(data)
    } catch (error) {
      if (codeOf(error) !== 'POSTHORN_INVALID_DATA') throw error
      const { type, destination } = contract
      kit.logger.warn({ event: 'publish.invalid', type, destination, err: error }, 'Publishing invalid data')
    }
  }

  return {
    build(contract, data, options) {
      check(contract, data)
      const trace = captureTrace?.()
      const defaults = { source: kit.source, id: options.id ?? kit.newId(), nowIso: now(), trace }
      const envelope = buildEnvelope(contract, data, { options, defaults })
      let headers = options.headers && ownHeaders(options.headers)
      if (trace?.traceparent !== undefined || trace?.baggage !== undefined || decorators !== undefined) {
        headers = { ...headers, ...trace }
        for (const decorate of decorators ?? []) decorate({ contract, envelope, headers })
        keepTexts(headers)
      }
      kit.validateEnvelope(envelope)
      const raw = kit.wireFormatOf(contract.destination).write(envelope, kit.wireContext)
      if (headers === undefined) headers = raw.headers
      else headers = { ...headers, ...raw.headers }
      const { id, type, partitionkey } = envelope
      const message = { body: raw.body, contentType: raw.contentType, id, type, headers }
      return partitionkey === undefined ? message : { ...message, partitionKey: partitionkey }
    },
  }
}

const notOwn =
  /^(?:posthorn-|ce[_-]|cloudevents[_:]|x-death|x-(?:first|last)-death-|x-delivery-count|x-acquired-count)/i

/** Attempts, deadlines and attributes of another message would be taken for this one's. */
function ownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !notOwn.test(name)))
}

/** AMQP closes the channel over an Infinity, and Kafka's client throws over undefined: only strings get there. */
function keepTexts(headers: Record<string, unknown>): void {
  for (const name of Object.keys(headers)) {
    if (headers[name] === undefined) delete headers[name]
    else if (typeof headers[name] !== 'string') {
      throw new ConfigurationError('The decorators', [`headers.${name} must be a string`])
    }
  }
}

/** Anything that a user's data throws while it is read (a getter, a recursion without end) is a serialization failure. */
export function asBuildError(error: unknown): unknown {
  if (codeOf(error) !== undefined) return error
  return new SerializationError({
    code: 'POSTHORN_UNSERIALIZABLE',
    message: `The message cannot be built: ${error instanceof Error ? error.name : typeof error}; see the cause`,
    cause: error,
  })
}

/** Most messages of a burst share their millisecond, and formatting one costs more than comparing two numbers. */
function isoClock(kit: MessageKit): () => string {
  let lastMs = -1
  let lastIso = ''
  return () => {
    const nowMs = kit.clock.now()
    if (nowMs !== lastMs) {
      lastIso = new Date(nowMs).toISOString()
      lastMs = nowMs
    }
    return lastIso
  }
}
