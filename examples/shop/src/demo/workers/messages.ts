import type { BrokerChoice } from '../../broker/transports.js'
import type { CrashPoint } from './crashPoints.js'
import type { News, WorkerName } from './worker.js'

/** What the demo says to a worker in a process of its own. */
export type ToWorker =
  | { readonly kind: 'begin'; readonly setting: WorkerSetting }
  | { readonly kind: 'place'; readonly number: number; readonly order: unknown; readonly id: string }
  | { readonly kind: 'arm'; readonly point: CrashPoint }
  | { readonly kind: 'stop'; readonly deadlineMs: number }

/** What the worker answers. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'placed'; readonly number: number; readonly failure?: Failure }
  | { readonly kind: 'news'; readonly name: keyof News; readonly facts: readonly unknown[] }

/** Everything that a worker needs to know; not on its command line, where others would see passwords. */
export interface WorkerSetting {
  readonly name: WorkerName
  readonly broker: BrokerChoice
  readonly databaseUrl: string
  readonly run: string
  readonly seed: number
  readonly leaseMs: number
}

/** An error on its way between processes: what the demo tells people of it. */
export interface Failure {
  readonly code: string | undefined
  readonly message: string
  readonly retryable: boolean
  readonly issues: unknown
}

export function failureOf(error: unknown): Failure {
  const { code, message, retryable, issues } = error as Partial<Failure>
  return { code, message: String(message), retryable: retryable === true, issues }
}

/** Known by its code, as errors of Posthorn are. */
export function errorOf({ code, message, retryable, issues }: Failure): Error {
  return Object.assign(new Error(message), { code, retryable, issues })
}
