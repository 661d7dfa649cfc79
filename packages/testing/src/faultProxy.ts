import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createFaultPipe } from './faultPipe.js'
import type { FaultLine, FaultPipe } from './faultPipe.js'
import { resetSocket } from './resetSocket.js'

/** Which bytes: those to the server, those to the client, or both. */
export type FaultDirection = 'toServer' | 'toClient' | 'both'

/** Where a proxy leads. */
export interface FaultProxyOptions {
  /** `host:port`, or a URL such as `amqp://guest:guest@127.0.0.1:5672`. Dialled anew for every connection. */
  readonly target: string
  /** Called for each new connection; what it gives sees the bytes of that one. @default nobody looks */
  readonly inspect?: () => FaultInspector
}

/**
 * Sees the bytes of one connection when they are about to pass, in chunks that say nothing of messages, and may break it at
 * an exact place of a protocol: what it gives is how many of these bytes pass before the connection is reset, 0 for none;
 * `undefined` lets all of them pass.
 */
export interface FaultInspector {
  readonly toServer?: (bytes: Buffer) => number | undefined
  readonly toClient?: (bytes: Buffer) => number | undefined
}

/** A TCP proxy on loopback that breaks what passes through it. Bytes are never changed or reordered. */
export interface FaultProxy extends AsyncDisposable {
  readonly port: number
  /** The target as it is reached through the proxy: a URL keeps its user, password and path. */
  readonly url: string
  /** Connections that are open now. */
  readonly connectionCount: number
  /** Connections that were reset so far: by `resetAfterBytes`, `cut` and `inspect`, or because one side went away. */
  readonly resetCount: number
  /**
   * Once, when so many bytes more have passed in this direction, counted over all connections: the connection that
   * carries the last of them is reset behind it, on both sides.
   */
  resetAfterBytes(count: number, direction?: FaultDirection): void
  /**
   * Nothing passes any more, closes and resets included, and new connections are taken but lead nowhere. After `heal`
   * what was held passes, as TCP repeats what was lost.
   */
  blackhole(direction?: FaultDirection): void
  /** Everything passes so many milliseconds late. */
  delay(delayMs: number, direction?: FaultDirection): void
  /** Resets all connections now; new ones may follow at once. */
  cut(): void
  /** Ends every fault that was set and has not happened. */
  heal(): void
  /** Resets all connections and stops listening. Idempotent. */
  close(): Promise<void>
}

interface Reset {
  left: number
  readonly direction: FaultDirection
}

type Way = 'toServer' | 'toClient'

interface Link {
  readonly dial: () => void
  readonly pump: () => void
  readonly reset: () => void
}

/** Resolves with a proxy that listens on a free port of loopback and passes everything, until it is told otherwise. */
export async function createFaultProxy({ target, inspect }: FaultProxyOptions): Promise<FaultProxy> {
  const links = new Set<Link>()
  const state = createFaultState()
  let resetCount = 0
  const to = addressOf(target)
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const link = createLink(client, {
      to,
      lines: state.lines,
      inspector: inspect?.() ?? {},
      onReset: () => (resetCount += 1),
      onGone: () => links.delete(link),
    })
    links.add(link)
    link.dial()
  })
  await listening(server)
  const { port } = server.address() as AddressInfo
  const cut = (): void => links.forEach((link) => link.reset())
  const pumpAll = (): void =>
    links.forEach((link) => {
      link.dial()
      link.pump()
    })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => server.close(() => resolve()))
    cut()
    return closing
  }
  return {
    port,
    url: urlThrough(target, port),
    get connectionCount() {
      return links.size
    },
    get resetCount() {
      return resetCount
    },
    resetAfterBytes: state.resetAfterBytes,
    blackhole(direction = 'both') {
      for (const way of waysOf(direction)) state.lines[way].held = true
      pumpAll()
    },
    delay(delayMs, direction = 'both') {
      for (const way of waysOf(direction)) state.lines[way].delayMs = delayMs
    },
    cut,
    heal() {
      state.heal()
      pumpAll()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface FaultState {
  readonly lines: Readonly<Record<Way, FaultLine>>
  readonly resetAfterBytes: (count: number, direction?: FaultDirection) => void
  readonly heal: () => void
}

function createFaultState(): FaultState {
  let resets: Reset[] = []
  function admit(way: Way, bytes: number): { bytes: number; reset: boolean } {
    const concerned = resets.filter(({ direction }) => waysOf(direction).includes(way))
    const admitted = Math.min(bytes, ...concerned.map(({ left }) => left))
    for (const reset of concerned) reset.left -= admitted
    const reset = concerned.some(({ left }) => left <= 0)
    if (reset) resets = resets.filter(({ left }) => left > 0)
    return { bytes: admitted, reset }
  }
  const line = (way: Way): FaultLine => ({ held: false, delayMs: 0, admit: (bytes) => admit(way, bytes) })
  const lines = { toServer: line('toServer'), toClient: line('toClient') }
  return {
    lines,
    resetAfterBytes: (count, direction = 'toServer') => void resets.push({ left: count, direction }),
    heal() {
      resets = []
      for (const healed of Object.values(lines)) Object.assign(healed, { held: false, delayMs: 0 })
    },
  }
}

interface LinkOptions {
  readonly to: { readonly host: string; readonly port: number }
  readonly lines: Readonly<Record<Way, FaultLine>>
  readonly inspector: FaultInspector
  readonly onReset: () => void
  /** Both sides are closed. */
  readonly onGone: () => void
}

/** One client and its connection to the server, which is dialled when its bytes may pass. */
function createLink(client: Socket, { to, lines, inspector, onReset, onGone }: LinkOptions): Link {
  let server: Socket | undefined
  let pipes: FaultPipe[] = []
  let isReset = false
  function reset(afterMs: number): void {
    if (isReset) return
    isReset = true
    onReset()
    for (const pipe of pipes) pipe.end()
    const destroy = (): void => [client, server].forEach((socket) => socket !== undefined && resetSocket(socket))
    if (afterMs === 0) destroy()
    else setTimeout(destroy, afterMs)
  }
  const goneWhenBoth = (): void => {
    if (client.closed && (server === undefined || server.closed)) onGone()
  }
  client.on('close', goneWhenBoth)
  client.pause()
  client.on('error', () => {})
  client.setNoDelay(true)
  return {
    dial() {
      if (server !== undefined || isReset || lines.toServer.held) return
      server = connect({ ...to, allowHalfOpen: true, noDelay: true })
      server.on('close', goneWhenBoth)
      pipes = [
        createFaultPipe({ source: client, sink: server, line: lines.toServer, inspect: inspector.toServer, reset }),
        createFaultPipe({ source: server, sink: client, line: lines.toClient, inspect: inspector.toClient, reset }),
      ]
      for (const pipe of pipes) pipe.pump()
    },
    pump: () => pipes.forEach((pipe) => pipe.pump()),
    reset: () => reset(0),
  }
}

function waysOf(direction: FaultDirection): readonly Way[] {
  return direction === 'both' ? ['toServer', 'toClient'] : [direction]
}

function isUrl(target: string): boolean {
  return target.includes('://')
}

function addressOf(target: string): { host: string; port: number } {
  const { hostname, port } = new URL(isUrl(target) ? target : `tcp://${target}`)
  if (port === '') throw new Error(`The target of a fault proxy needs a port: ${hostname}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function urlThrough(target: string, port: number): string {
  if (!isUrl(target)) return `127.0.0.1:${port}`
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return url.href
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}
