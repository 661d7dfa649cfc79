import type { Clock } from '@posthorn/core/adapter'
import { connect } from 'amqplib'
import type { ChannelModel, SocketOptions } from 'amqplib'
import type { Broker } from './brokerUrl.js'
import type { Settings } from './options.js'

/** An open connection whose socket can be ended whatever the peer does. */
export interface OpenSocket {
  readonly model: ChannelModel
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
}

/**
 * Connects once, handshake included, or rejects within `connectTimeoutMs` with no socket left. The socket is ended
 * through an abort signal that Node.js takes for it: amqplib gives no hold on a socket that is still connecting, and
 * its own timeout only counts idle time.
 */
export async function connectOnce(attempt: ConnectAttempt, clock: Clock): Promise<OpenSocket> {
  const { broker, settings, stop } = attempt
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
    const model = await connect(broker.connect, socketOptions(attempt, life.signal))
    return { model, destroy: end }
  } catch (error) {
    if (!timedOut) throw error
    throw new Error(`${broker.address} did not answer within ${settings.connectTimeoutMs} ms`, { cause: error })
  } finally {
    timer.cancel()
    stop.removeEventListener('abort', end)
  }
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
