import type { Clock } from '@posthorn/core/adapter'
import { connect } from 'amqplib'
import type { ChannelModel, SocketOptions } from 'amqplib'
import type { Broker } from './brokerUrl.js'
import { credentialsOf } from './credentials.js'
import type { Credentials } from './credentials.js'
import { guardHandshake } from './handshakeGuard.js'
import type { Settings } from './options.js'
import { hungUpForTls, PlainToTlsError } from './tlsProblem.js'

/** An open connection whose socket can be ended whatever the peer does. */
export interface OpenSocket {
  readonly model: ChannelModel
  /** What a function gave to log in; undefined for other ways. */
  readonly credentials: Credentials | undefined
  /** Ends the socket at once; harmless when it is gone. */
  destroy(): void
}

/** One attempt to connect to one broker. */
export interface ConnectAttempt {
  readonly broker: Broker
  readonly settings: Settings
  /** What the connection is for, as the broker's management shows it. */
  readonly purpose: string
  readonly stop: AbortSignal
  /** Whether to look for the reason when the broker hangs up, at the price of one more connection. */
  readonly isFirst: boolean
}

/**
 * Connects once, handshake included, or rejects with no socket left: within `connectTimeoutMs`, after as long for
 * credentials. The socket is ended through an abort signal that Node.js takes for it: amqplib gives no hold on a socket
 * that is still connecting, and its own timeout only counts idle time.
 */
export async function connectOnce(attempt: ConnectAttempt, clock: Clock): Promise<OpenSocket> {
  const { broker, settings, stop } = attempt
  const credentials = await loginFor(settings, stop, clock)
  const life = new AbortController()
  const end = (): void => life.abort()
  let timedOut = false
  const timer = clock.schedule(settings.connectTimeoutMs, () => {
    timedOut = true
    end()
  })
  stop.addEventListener('abort', end)
  try {
    stop.throwIfAborted()
    const login = loginOf(settings, broker, credentials)
    const guard = guardHandshake(login.response())
    const model = await connect(broker.connect, { ...socketOptions(attempt, life.signal), credentials: login })
    const early = guard.ended()
    if (early === undefined) return { model, credentials, destroy: end }
    model.on('error', () => {}) // Ending its socket is one.
    end()
    throw early.error ?? new Error(`${broker.address} closed the connection at once`)
  } catch (error) {
    if (timedOut) {
      throw new Error(`${broker.address} did not answer within ${settings.connectTimeoutMs} ms`, { cause: error })
    }
    if (!attempt.isFirst || !(await hungUpForTls(broker, error, clock))) throw error
    throw new PlainToTlsError('a plain connection to a TLS port', { cause: error })
  } finally {
    timer.cancel()
    stop.removeEventListener('abort', end)
  }
}

function loginFor(
  { credentials, connectTimeoutMs }: Settings,
  stop: AbortSignal,
  clock: Clock,
): Promise<Credentials | undefined> {
  if (typeof credentials !== 'function') return Promise.resolve(undefined)
  return credentialsOf(credentials, { timeoutMs: connectTimeoutMs, clock, stop })
}

interface Login {
  readonly mechanism: string
  /** Always the same buffer, which tells this attempt from others. */
  response(): Buffer
}

// As amqplib's own, which make a new buffer for each call.
function loginOf(settings: Settings, { connect: url }: Broker, credentials: Credentials | undefined): Login {
  const isExternal = settings.credentials === 'external'
  const { username = '', password = '' } = credentials ?? url
  const response = Buffer.from(isExternal ? '' : `\0${username}\0${password}`)
  return { mechanism: isExternal ? 'EXTERNAL' : 'PLAIN', response: () => response }
}

function socketOptions({ broker, settings, purpose }: ConnectAttempt, signal: AbortSignal): SocketOptions {
  const options: SocketOptions & { signal: AbortSignal } = {
    ...((broker.secure ? settings.tls : {}) as SocketOptions),
    signal,
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: settings.heartbeatSeconds * 1_000,
    clientProperties: { connection_name: `${settings.clientName} ${purpose}` },
  }
  return options
}
