import type { Envelope } from '@posthorn/contracts'
import type { TimerHandle } from '../clock.js'
import type { Delivery } from '../ports.js'
import type { HandlerEntry } from './handlerTable.js'

/** One delivery on its way through the pipeline. */
export interface InFlight {
  /** Its place among the unsettled. */
  slot: number
  readonly delivery: Delivery
  readonly destination: string
  /** When it was handed over, on the monotonic clock. */
  readonly arrivedAt: number
  /** From when on it waits for its key and its slot, on the monotonic clock. */
  waitsSince: number
  /** Read and judged: its handler is to be called. */
  admitted: boolean
  /** Undefined before the body is read, and when it cannot be. */
  envelope: Envelope | undefined
  entry: HandlerEntry | undefined
  /** The invocation that comes next, or runs; 0 before the header was read. */
  attempt: number
  /** When its first attempt in this process failed, RFC 3339. */
  firstFailedAt: string | undefined
  /** The lane it stands in; undefined without order or key. */
  laneKey: string | undefined
  /** Waits for its next attempt within the process. */
  timer: TimerHandle | undefined
  /** The delivery was completed or released: whatever comes later is too late. */
  settled: boolean
}

/** Which of those that wait. */
export type Which = (item: InFlight) => boolean

/** The broker has taken the message away: somebody else has it, or gets it. */
export function isLost({ delivery }: InFlight): boolean {
  return delivery.lost?.aborted === true
}

/** What handlers get as data: null is data, and base64 that no codec knows stays as it is. */
export function dataOf(envelope: Envelope): unknown {
  return 'data' in envelope ? envelope.data : envelope.data_base64
}
