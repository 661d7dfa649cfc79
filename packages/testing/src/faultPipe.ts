import type { Socket } from 'node:net'

/** What happens to the bytes of one direction, on all connections alike. */
export interface FaultLine {
  /** Nothing passes; nothing is lost. */
  held: boolean
  /** How late bytes pass. */
  delayMs: number
  /** How many of so many bytes may pass; fewer than asked for: the connection is reset behind them. */
  readonly admit: (bytes: number) => { readonly bytes: number; readonly reset: boolean }
}

/** One direction of one connection. */
export interface FaultPipe {
  /** Passes on what may pass now; to be called when the line changed. */
  pump(): void
  /** Forgets what has not passed. */
  end(): void
}

/** What a pipe connects. */
export interface FaultPipeOptions {
  readonly source: Socket
  readonly sink: Socket
  readonly line: FaultLine
  /** Looks at what is about to pass: of how many bytes, when the connection is to be reset behind them. */
  readonly inspect: ((bytes: Buffer) => number | undefined) | undefined
  /** Lets nothing more pass, and ends both sides with a TCP reset. */
  readonly reset: (afterMs: number) => void
}

interface Item {
  readonly dueAt: number
  /** Bytes, a graceful end, or the loss of the source. */
  readonly what: Buffer | 'end' | 'lost'
}

/** Above so many waiting bytes a pipe stops reading, as a slow network would. */
const maxWaitingBytes = 4 * 1_024 * 1_024

/**
 * The reset follows the bytes instead of overtaking them. libuv takes a reset that it finds together with bytes for a
 * graceful end; after this pause most readers see it as what it is.
 */
const resetAfterMs = 5

/** Passes bytes on in their order, with what the line does to them; backpressure goes through to the source. */
export function createFaultPipe({ source, sink, line, inspect, reset }: FaultPipeOptions): FaultPipe {
  const items: Item[] = []
  let waitingBytes = 0
  let timer: NodeJS.Timeout | undefined
  let ended = false
  let full = false
  let hasEnded = false

  function arrive(what: Item['what']): void {
    items.push({ dueAt: line.delayMs === 0 ? 0 : performance.now() + line.delayMs, what })
    if (typeof what === 'object') waitingBytes += what.length
    pump()
  }

  function pass({ what }: Item): void {
    if (what === 'lost') return reset(0)
    if (what === 'end') return void sink.end()
    waitingBytes -= what.length
    if (sink.destroyed) return
    const wanted = inspect?.(what)
    const admitted = line.admit(Math.min(wanted ?? what.length, what.length))
    if (!admitted.reset && wanted === undefined) {
      full = !sink.write(what)
      return
    }
    if (admitted.bytes > 0) sink.write(what.subarray(0, admitted.bytes))
    reset(admitted.bytes > 0 ? resetAfterMs : 0)
  }

  function pump(): void {
    clearTimeout(timer)
    if (ended) return
    for (let head = items[0]; head !== undefined && !line.held && !full; head = items[0]) {
      const waitMs = head.dueAt - performance.now()
      if (waitMs > 0) {
        timer = setTimeout(pump, Math.ceil(waitMs))
        break
      }
      items.shift()
      pass(head)
      if (ended) return
    }
    // A source that is not read from does not tell that it was closed either: as behind a broken line.
    if (line.held || waitingBytes > maxWaitingBytes || (full && waitingBytes > 0)) source.pause()
    else source.resume()
  }

  source.on('data', arrive)
  source.on('end', () => {
    hasEnded = true
    arrive('end')
  })
  source.on('error', () => {}) // `close` follows.
  source.on('close', () => {
    if (!hasEnded) arrive('lost')
  })
  sink.on('drain', () => {
    full = false
    pump()
  })
  return {
    pump,
    end() {
      ended = true
      clearTimeout(timer)
      items.length = 0
    },
  }
}
