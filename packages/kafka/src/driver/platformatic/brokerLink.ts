import net from 'node:net'
import type { TimerHandle } from '@posthorn/core/adapter'
import { Connection } from '@platformatic/kafka'
import type { API } from '@platformatic/kafka'
import { DriverError } from '../driverError.js'
import type { DriverSettings } from '../driver.js'
import { saslOf } from './platformaticLogin.js'
import { toDriverError } from './platformaticErrors.js'

/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** One connection to one broker. It opens once and breaks once; who needs another one opens another one. */
export interface BrokerLink {
  readonly isOpen: boolean
  /** Takes no more requests: it broke, or the login that it was opened with is about to end. */
  readonly isOver: boolean
  /** Resolves when requests can be sent; until then, nothing of ours has reached the broker. */
  readonly opened: Promise<void>
  /** Rejects with the client's error; one that nobody answers in time breaks the link. */
  request<Args extends unknown[], Answer>(api: API<Args, Answer>, args: Args, timeoutMs?: number): Promise<Answer>
  /** Breaks the connection; what is under way fails. Idempotent. */
  end(): void
}

/** Longer than every wait of ours, which ends the connection: the client's own leaves it in a state that it misreads. */
const neverMs = 2_147_483_647
/** Requests wait for each other in our lanes, not in the client. */
const maxInflights = 10_000
/** Of the time that a login holds: then new requests go over another connection, and this one ends when it is idle. */
const retireAfter = 0.8
/** Probes idle connections of vanished peers. */
const keepAliveMs = 15_000

/** `onEnd` is called once, when it has broken. */
export function openLink({ host, port }: BrokerAddress, settings: DriverSettings, onEnd: () => void): BrokerLink {
  const { clock, requestTimeoutMs } = settings
  const connection = new Connection(settings.clientId, {
    connectTimeout: neverMs,
    requestTimeout: neverMs,
    maxInflights,
    ...tlsOf(settings, host),
    ...saslOf(settings, (lifetimeMs) => retireIn(lifetimeMs * retireAfter)),
  })
  let isOpen = false
  let isBroken = false
  let isRetired = false
  let retiring: TimerHandle | undefined
  /** What waits for an answer; the client tells nobody when it finds the stream unreadable. */
  const waiting = new Set<(error: Error) => void>()

  function broken(error: Error): void {
    if (isBroken) return
    isOpen = false
    isBroken = true
    retiring?.cancel()
    // Also where it is closed already: a timer for the next authentication may be left.
    connection.close(() => {})
    connection.socket?.destroy(error)
    for (const fail of waiting) fail(error)
    waiting.clear()
    onEnd()
  }

  function retireIn(delayMs: number): void {
    retiring = clock.schedule(
      delayMs,
      () => {
        isRetired = true
        if (waiting.size === 0) end()
      },
      { background: true },
    )
  }

  function settled(fail: (error: Error) => void): void {
    waiting.delete(fail)
    if (isRetired && waiting.size === 0) end()
  }

  const end = (): void => broken(lost('The connection was ended by Posthorn'))

  connection.on('error', (error) => broken(error))
  connection.on('close', () => broken(lost(`The connection to ${host}:${port} was closed`)))
  const opened = open()
  opened.catch(() => {})

  function giveUpIn(delayMs: number): TimerHandle {
    return clock.schedule(delayMs, () => broken(lost(`${host}:${port} did not let us in within ${delayMs} ms`)))
  }

  async function open(): Promise<void> {
    const { connectTimeoutMs } = settings
    let waiting = giveUpIn(connectTimeoutMs)
    connection.once('sasl:handshake', () => {
      waiting.cancel()
      // The application's own function may take as long before anything is said.
      waiting = giveUpIn(connectTimeoutMs * 2)
    })
    try {
      const connecting = connect()
      connection.socket?.setKeepAlive(true, keepAliveMs)
      await connecting
    } catch (error) {
      broken(error instanceof Error ? error : new Error(String(error)))
      throw notWritten(toDriverError(error, `Connecting to ${host}:${port}`))
    } finally {
      waiting.cancel()
    }
    if (isBroken) throw notWritten(lost(`The connection to ${host}:${port} was ended`))
    isOpen = true
  }

  function connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      try {
        void connection.connect(host, port, (error) => (error === null ? resolve() : reject(error)))
      } catch (error) {
        // Options that are no certificates: the client throws, and keeps its timer until it is told of an error.
        connection.emit('error', error)
        reject(error)
      }
    })
  }

  return {
    get isOpen() {
      return isOpen
    },
    get isOver() {
      return isBroken || isRetired
    },
    opened,
    async request(api, args, timeoutMs = requestTimeoutMs) {
      await opened
      return new Promise((resolve, reject) => {
        if (isBroken) return reject(lost(`The connection to ${host}:${port} is gone`))
        const timer = clock.schedule(timeoutMs, () =>
          broken(lost(`${host}:${port} did not answer within ${timeoutMs} ms`)),
        )
        const fail = (error: Error): void => {
          timer.cancel()
          settled(fail)
          reject(error)
        }
        waiting.add(fail)
        const callback = (error: Error | null, answer?: unknown): void => {
          if (error !== null) return fail(error)
          timer.cancel()
          settled(fail)
          resolve(answer as never)
        }
        const call = api as unknown as (connection: Connection, ...rest: unknown[]) => void
        call(connection, ...args, callback)
      })
    },
    end,
  }
}

function lost(message: string): DriverError {
  return new DriverError({ kind: 'connection', message })
}

function notWritten({ kind, message, cause }: DriverError): DriverError {
  return new DriverError({ kind, message, written: 'no', cause })
}

function tlsOf({ tls }: DriverSettings, host: string): { tls?: object; tlsServerName?: boolean } {
  if (tls === false) return {}
  const given = tls === true ? {} : tls
  // The certificate is checked against the name that is asked for; an address may not be asked for.
  const isNamed = given.servername !== undefined || net.isIP(host) !== 0
  return { tls: given, ...(isNamed ? {} : { tlsServerName: true }) }
}
