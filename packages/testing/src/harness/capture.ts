import { ConfigurationError, readDeadLetter, structuredMode } from '@posthorn/core'
import type { Clock, DeadLetter, Envelope, WireFormat } from '@posthorn/core'
import type { Target, Transport, WireMessage } from '@posthorn/core/adapter'

/** A message that a service under test published, as it stood on the wire. */
export interface Published<Data = unknown> {
  readonly data: Data
  readonly envelope: Envelope<Data>
  readonly destination: string
  /** Whether somebody in the harness listens for it. */
  readonly routed: boolean | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** Everything that the services of a harness sent, in the order of the confirmations. */
export interface Capture {
  readonly published: readonly Published[]
  readonly deadLetters: readonly DeadLetter[]
  /** The same transport, overheard. */
  wrap(transport: Transport): Transport
}

/** How captured messages are read. */
export interface CaptureOptions {
  readonly clock: Clock
  /** The formats of destinations that are not read as CloudEvents. */
  readonly wireFormats: Readonly<Record<string, WireFormat>>
}

const limits = { maxBodyBytes: Number.MAX_SAFE_INTEGER, maxDepth: 1_000 }

/** Overhears transports; messages are captured when they are confirmed, whether or not somebody listens. */
export function createCapture({ clock, wireFormats }: CaptureOptions): Capture {
  const published: Published[] = []
  const deadLetters: DeadLetter[] = []
  const cloudEvents = structuredMode()

  function read(message: WireMessage, destination: string): Envelope | undefined {
    const format = wireFormats[destination] ?? cloudEvents
    try {
      const envelope = format.read(message, { limits, binaryPrefix: 'ce_' })
      return envelope === 'foreign' ? undefined : envelope
    } catch {
      return undefined // A dead letter may be unreadable; that is why it is one.
    }
  }

  function note(target: Target, message: WireMessage, routed: boolean | undefined): void {
    if ('dead' in target) {
      deadLetters.push(readDeadLetter(message, read(message, target.dead.destination)))
    } else if ('destination' in target) {
      const { destination } = target
      const envelope = read(message, destination) ?? bareEnvelope(message)
      const data = envelope.data ?? envelope.data_base64
      published.push({ data, envelope, destination, routed, headers: message.headers })
    }
  }

  return {
    published,
    deadLetters,
    wrap: (transport) => ({
      ...transport,
      async connect(context, publishes, options) {
        if (context.clock !== clock) throw wrongClock()
        return transport.connect(context, publishes, options)
      },
      async send(target, message, options) {
        const receipt = await transport.send(target, message, options)
        note(target, message, receipt.routed)
        return receipt
      },
    }),
  }
}

/** What is known of a message in a format that the harness was not told. */
function bareEnvelope({ id, type }: WireMessage): Envelope {
  return { specversion: '1.0', id, type, source: '' }
}

/** A service on the machine's clock would wait in real time for what the broker does in virtual time. */
function wrongClock(): ConfigurationError {
  return new ConfigurationError('The harness', [
    'the service has another clock; hand the `clock` of the surroundings on to createService',
  ])
}
