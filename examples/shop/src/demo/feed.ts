import type { Input } from '../input/readLines.js'
import { readLines } from '../input/readLines.js'
import type { InputLine } from '../input/lineSplitter.js'
import { maxLineBytes, parseLine } from '../input/parseLine.js'
import { userIdOf } from '../orders/orderService.js'
import type { Ledger } from './ledger.js'
import { patiently } from './patiently.js'
import type { Registrar } from './registrar.js'
import { reasonOf } from './reasonOf.js'
import type { Rejections } from './rejections.js'
import type { Run } from './run.js'
import { untilAborted } from './untilAborted.js'
import type { OrderDesk } from './workers/worker.js'

export interface FeedOptions {
  readonly input: Input
  readonly orders: OrderDesk
  /** Registers users as they are seen; undefined: only those that are known may order. */
  readonly registrar: Registrar | undefined
  readonly ledger: Ledger
  readonly rejections: Rejections
  readonly run: Run
  readonly signal: AbortSignal
  readonly counter: ReadCounter
  /** Told of errors that are the demo's own: no line deserves them. */
  readonly onFault: (error: unknown) => void
}

/**
 * Orders on their way into the database: enough to keep it busy. It serves transactions in turn, and those of relays and handlers
 * would stand behind all that is asked for here.
 */
const maxPlacing = 64

/** How far the input has been read. */
export interface ReadCounter {
  /** Lines that are not blank. */
  lines: number
  bytes: number
}

/** Places every order of the input, many at once; resolves when each line is committed or rejected, or at the signal. */
export async function feed(options: FeedOptions): Promise<void> {
  const { input, ledger, signal, counter } = options
  const underWay = new Set<Promise<void>>()
  const onBytes = (count: number): void => void (counter.bytes += count)
  try {
    for await (const lines of readLines(input, onBytes)) {
      for (const line of lines) {
        await ledger.room()
        if (underWay.size >= maxPlacing) await untilAborted(Promise.race(underWay), signal)
        if (signal.aborted) break
        counter.lines += 1
        const placing = take(line, options)
        if (placing === undefined) continue
        underWay.add(placing)
        void placing.finally(() => underWay.delete(placing))
      }
      if (signal.aborted) break
    }
  } catch (error) {
    if (!signal.aborted) throw error // An aborted run closes the stream under the reader.
  }
  await untilAborted(Promise.all(underWay), signal)
}

/** Undefined when the line is no JSON and there is nothing to wait for. */
function take({ number, bytes }: InputLine, options: FeedOptions): Promise<void> | undefined {
  const { ledger, rejections } = options
  if (bytes === undefined) {
    const message = `The line is longer than ${maxLineBytes} bytes`
    rejections.add({ line: number, code: 'SHOP_LINE_TOO_LONG', message })
    return undefined
  }
  try {
    const order = parseLine(bytes)
    ledger.opened(number, bytes.length)
    return place(number, order, options)
  } catch (error) {
    reject(number, error, options)
    return undefined
  }
}

/** Never rejects: what goes wrong is the line's, not the demo's. */
async function place(line: number, order: unknown, options: FeedOptions): Promise<void> {
  const { ledger, orders, registrar, run, signal } = options
  try {
    const userId = userIdOf(order)
    if (userId !== undefined) await registrar?.ready(userId)
    await patiently(() => orders.place(order, { id: run.idOfOrder(line) }), signal)
  } catch (error) {
    ledger.refused(line)
    reject(line, error, options)
  }
}

function reject(line: number, error: unknown, { rejections, onFault }: FeedOptions): void {
  const reason = reasonOf(error)
  if (reason.code === 'SHOP_INTERNAL') onFault(error)
  rejections.add({ line, ...reason })
}
