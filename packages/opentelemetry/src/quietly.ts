import { diag } from '@opentelemetry/api'

/** Runs what only observes: a fault of an SDK, of its exporter or of a propagator never reaches a message. */
export function quietly<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch (error) {
    tellFault(error)
    return undefined
  }
}

/** To the log of the SDK, where somebody turned it on. */
export function tellFault(error: unknown): void {
  diag.error('@posthorn/opentelemetry could not observe a message', String(error))
}
